import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.values import json_values
from worker.domain.projects.observation import Download, Observation, ProjectError
from worker.magic_hour.payload import BadPayloadError, parse_project

from .bodies import AUDIO, DEPRECATED, IMAGE, VIDEO

STRICT = ("id", "status", "credits_charged")
WRONG: dict[str, list[object]] = {
    "id": [None, 7, "", "cmuh8q75q0101k101fvgj9599"],
    "status": [None, 1, "", "x" * 201, "a\x00b", "half a pair \ud800"],
    "credits_charged": [None, True, "", "many", "9" * 101, [], {}, float("nan"), float("inf"), "inf", "sNaN"],
}
ODD: list[tuple[str, object, dict[str, Any]]] = [
    ("enabled", "false", {"enabled": True}),
    ("enabled", None, {"enabled": True}),
    *(
        ("created_at", value, {"created_at": None})
        for value in (None, 1790000000, "", "soon", "9999-12-31T23:59:59-10")
    ),
    ("created_at", "0001-01-01T00:00:00+10:00", {"created_at": None}),
    ("error", False, {"error": None}),
    ("error", "no_source_face", {"error": None}),
    ("error", [], {"error": None}),
    ("downloads", None, {"downloads": ()}),
    ("downloads", {}, {"downloads": ()}),
    ("downloads", [None], {"downloads": ()}),
    ("downloads", [{"url": 1}], {"downloads": ()}),
    ("downloads", [{"url": "x" * 8193}], {"downloads": ()}),
    ("width", "512", {"width": None}),
    ("width", 512.5, {"width": None}),
    ("height", 2**31, {"height": None}),
    ("fps", True, {"fps": None}),
    ("start_seconds", "0", {"start_seconds": None}),
    ("end_seconds", -2, {"end_seconds": None}),
    ("image_count", 1.5, {"image_count": None}),
    ("name", 7, {"name": None}),
    ("name", "n" * 2001, {"name": "n" * 2000}),
    ("name", "a\x00\ud800b", {"name": "a?b"}),
    ("type", None, {"type": None}),
    ("type", "T" * 2000, {"type": "T" * 200}),
]


def parse(body: dict[str, Any]) -> Observation:
    return parse_project(body, body["id"])


def test_reads_a_video() -> None:
    assert parse(VIDEO) == Observation(
        project_id="cmuh8q75q0101k101fvgj9518",
        status="complete",
        credits_charged=450,
        enabled=True,
        created_at=datetime(2026, 9, 25, 17, 34, 24, 446000, UTC),
        error=None,
        downloads=(Download("https://videos.magichour.ai/id/output.mp4?sig=s3cret", "2026-09-26T17:34:50.000Z"),),
        type="TEXT_TO_VIDEO",
        name="My video",
        width=512,
        height=960,
        fps=30.0,
        start_seconds=0.0,
        end_seconds=15.0,
    )


def test_reads_an_image_without_a_name() -> None:
    image = parse(IMAGE)
    assert (image.type, image.name, image.status, image.credits_charged) == ("AI_IMAGE", None, "queued", 5)
    assert (image.width, image.height, image.fps, image.downloads) == (None, None, None, ())
    assert (image.start_seconds, image.end_seconds, image.image_count) == (None, None, 1)


def test_reads_a_failed_audio_project_whose_time_has_no_zone() -> None:
    audio = parse(AUDIO)
    assert audio.error == ProjectError("no_source_face", "Please use an image with a detectable face")
    assert audio.created_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", [VIDEO, IMAGE, AUDIO])
def test_does_not_need_deprecated_fields(body: dict[str, Any]) -> None:
    assert parse({key: value for key, value in body.items() if key not in DEPRECATED}) == parse(body)


def test_takes_new_fields_types_and_statuses() -> None:
    seen = parse({**VIDEO, "progress": 0.5, "type": "HOLOGRAM", "status": "upscaling"})
    assert (seen.type, seen.status) == ("HOLOGRAM", "upscaling")


@pytest.mark.parametrize("loose", ["name", "width", "height", "fps"])
def test_what_is_not_known_may_be_null(loose: str) -> None:
    seen = parse({**VIDEO, loose: None})
    assert (getattr(seen, loose), seen.odd_fields) == (None, None)


@pytest.mark.parametrize("size", ["width", "height", "fps"])
def test_minus_one_stands_for_not_known(size: str) -> None:
    seen = parse({**VIDEO, size: -1})
    assert (getattr(seen, size), seen.odd_fields) == (None, None)


@pytest.mark.parametrize(("field", "value", "expected"), ODD)
def test_an_odd_field_is_left_out_or_cut_and_noted_and_the_rest_is_read(
    field: str, value: object, expected: dict[str, Any]
) -> None:
    seen = parse({**VIDEO, field: value})
    assert seen == replace(parse(VIDEO), odd_fields=field, **expected)


def test_a_link_without_an_expiry_is_a_link() -> None:
    seen = parse({**VIDEO, "downloads": [{"url": "https://x.example/a", "expires_at": None}]})
    assert (seen.downloads, seen.odd_fields) == ((Download("https://x.example/a", None),), "downloads.expires_at")


def test_more_links_than_any_project_has_are_cut() -> None:
    seen = parse({**VIDEO, "downloads": [{"url": "https://x.example/a", "expires_at": "x"}] * 1001})
    assert (len(seen.downloads), seen.odd_fields) == (1000, "downloads")


@pytest.mark.parametrize(
    ("error", "expected", "odd"),
    [
        ({"code": None, "message": "No face"}, ProjectError(None, "No face"), "error.code"),
        ({"message": "No face"}, ProjectError(None, "No face"), "error.code"),
        ({"code": "no_source_face"}, ProjectError("no_source_face", None), "error.message"),
        ({"code": 1, "message": "x"}, ProjectError(None, "x"), "error.code"),
        ({}, None, "error.code,error.message"),
    ],
)
def test_of_an_error_what_is_there_is_kept(error: object, expected: ProjectError | None, odd: str) -> None:
    seen = parse({**AUDIO, "error": error})
    assert (seen.error, seen.odd_fields, seen.status) == (expected, odd, "error")


def test_only_the_id_the_status_and_the_price_must_be_there() -> None:
    seen = parse({key: VIDEO[key] for key in STRICT})
    assert (seen.status, seen.credits_charged, seen.enabled) == ("complete", 450, True)
    assert seen.odd_fields == "enabled,created_at,error,downloads,type"


def test_a_new_status_is_taken_and_noted() -> None:
    assert parse({**VIDEO, "status": "upscaling"}).odd_fields == "status"


@pytest.mark.parametrize("sent", [450, 450.0, "450", "450.0", " 4.5e2 "])
def test_credits_are_whole_numbers_however_written(sent: object) -> None:
    seen = parse({**VIDEO, "credits_charged": sent})
    assert (seen.credits_charged, seen.credits_are_odd, seen.odd_fields) == (450, False, None)
    assert isinstance(seen.credits_charged, int)


@pytest.mark.parametrize(
    ("sent", "credits_charged"),
    [(450.5, 451), ("450.5", 451), (-0.5, 0), (1e18, 10**12), (-(2**63), -(10**12)), ("1e99999", 10**12)],
)
def test_a_fraction_is_rounded_up_and_an_absurd_price_bounded_and_both_are_noted(
    sent: object, credits_charged: int
) -> None:
    seen = parse({**VIDEO, "credits_charged": sent})
    assert (seen.credits_charged, seen.credits_are_odd, seen.odd_fields) == (credits_charged, True, "credits_charged")


@pytest.mark.parametrize("sent", [0, -3, 10**12, -(10**12)])
def test_a_price_within_bounds_is_taken_as_it_is(sent: int) -> None:
    seen = parse({**VIDEO, "credits_charged": sent})
    assert (seen.credits_charged, seen.credits_are_odd) == (sent, False)


def test_times_become_utc() -> None:
    seen = parse({**VIDEO, "created_at": "2026-09-25T19:34:24+02:00"}).created_at
    assert seen is not None
    assert seen == datetime(2026, 9, 25, 19, 34, 24, tzinfo=timezone(timedelta(hours=2)))
    assert seen.tzinfo is UTC


def test_texts_lose_what_no_database_can_store() -> None:
    failed = {**AUDIO, "name": "a\x00\ud800b", "error": {"code": "x\x00", "message": "\udfff" + "m" * 3000}}
    seen = parse(failed)
    assert seen.name == "a?b"
    assert seen.error == ProjectError("x", "?" + "m" * 1999)


@pytest.mark.parametrize("field", STRICT)
def test_a_missing_field_that_matters_is_named(field: str) -> None:
    body = {key: value for key, value in VIDEO.items() if key != field}
    with pytest.raises(BadPayloadError, match=f"^the answer has no `{field}`$"):
        parse_project(body, VIDEO["id"])


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in STRICT for value in WRONG[field]])
def test_a_wrong_field_that_matters_is_named_without_its_value(field: str, value: object) -> None:
    with pytest.raises(BadPayloadError, match=rf"\b{field}\b") as raised:
        parse_project({**VIDEO, field: value}, VIDEO["id"])
    secrets = re.findall(r"[a-z0-9_]{14,}", str(value))
    assert not [secret for secret in secrets if secret in str(raised.value)]


@pytest.mark.parametrize("body", [None, [], "complete", 7, True])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(BadPayloadError, match="not a JSON object"):
        parse_project(body, VIDEO["id"])


@given(json_values, st.dictionaries(st.sampled_from(sorted(VIDEO)), json_values))
def test_any_json_parses_or_is_a_bad_payload(body: object, changes: dict[str, object]) -> None:
    for candidate in (body, {**VIDEO, **changes}):
        try:
            seen = parse_project(candidate, VIDEO["id"])
        except BadPayloadError:
            continue
        assert seen.project_id == VIDEO["id"]
        assert abs(seen.credits_charged) <= 10**12
        assert len(seen.type or "") <= 200
        repr(seen).encode()


def test_no_repr_shows_a_signed_link() -> None:
    assert "s3cret" not in repr(parse(VIDEO))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "ftp://files.example/a", "a.mp4", ""])
def test_only_links_to_the_web_are_kept(url: str) -> None:
    body = {**VIDEO, "downloads": [{"url": url, "expires_at": None}]}
    seen = parse_project(body, VIDEO["id"])
    assert (seen.downloads, seen.odd_fields) == ((), "downloads")
