import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.values import json_values
from worker.domain.observation import Download, Observation, ProjectError
from worker.magic_hour.payload import BadPayloadError, parse_project

from .bodies import AUDIO, DEPRECATED, IMAGE, VIDEO

STRICT = ("id", "status", "credits_charged", "enabled", "created_at", "error", "downloads")
WRONG: dict[str, list[object]] = {
    "id": [None, 7, "", "cmuh8q75q0101k101fvgj9599"],
    "status": [None, 1, "", "x" * 201, "a\x00b", "half a pair \ud800"],
    "credits_charged": [None, True, "450", 450.5, float("nan"), float("inf"), 2**63],
    "enabled": [None, 1, "true"],
    "created_at": [None, 1790000000, "", "soon", "9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"],
    "error": [False, "no_source_face", [], {"code": "x"}, {"message": "x"}, {"code": 1, "message": "x"}],
    "downloads": [None, {}, [None], [{"url": "https://x"}], [{"url": 1, "expires_at": "x"}], [{}] * 1001],
}


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
    )


def test_reads_an_image_without_a_name() -> None:
    image = parse(IMAGE)
    assert (image.type, image.name, image.status, image.credits_charged) == ("AI_IMAGE", None, "queued", 5)
    assert (image.width, image.height, image.fps, image.downloads) == (None, None, None, ())


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


@pytest.mark.parametrize("loose", ["type", "name", "width", "height", "fps"])
@pytest.mark.parametrize("value", [None, -1, True, [], {}, float("nan"), float("inf")])
def test_what_no_rule_rests_on_may_be_anything(loose: str, value: object) -> None:
    assert getattr(parse({**VIDEO, loose: value}), loose) is None


def test_what_no_rule_rests_on_may_be_missing() -> None:
    seen = parse({key: VIDEO[key] for key in STRICT})
    assert (seen.type, seen.name, seen.width, seen.height, seen.fps) == (None, None, None, None, None)


@pytest.mark.parametrize("seen", [450, 450.0, 0, -3, 2**63 - 1])
def test_credits_are_whole_numbers_however_written(seen: float) -> None:
    credits_charged = parse({**VIDEO, "credits_charged": seen}).credits_charged
    assert credits_charged == seen
    assert isinstance(credits_charged, int)


def test_times_become_utc() -> None:
    seen = parse({**VIDEO, "created_at": "2026-09-25T19:34:24+02:00"}).created_at
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
    with pytest.raises(BadPayloadError, match=f"^the answer has no {field}$"):
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
        repr(seen).encode()


def test_no_repr_shows_a_signed_link() -> None:
    assert "s3cret" not in repr(parse(VIDEO))
