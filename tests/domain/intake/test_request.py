import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.values import json_values
from worker.domain.intake.metadata import MOST_METADATA, MOST_METADATA_DEPTH
from worker.domain.intake.request import MOST_CREDITS, RequestError, TrackRequest, parse_request
from worker.tracking.intake.track import items_of

ID = "cmuh8q75q0101k101fvgj9518"
MINIMAL: dict[str, Any] = {"kind": "video", "project_id": ID}
FULL: dict[str, Any] = {
    **MINIMAL,
    "account": "studio",
    "credits_charged": 450,
    "metadata": {"order": 7, "note": "Ünïcödé 🎬"},
    "notify": {"project.completed": ["celery:media.publish"]},
}


def parse(item: object) -> TrackRequest:
    return parse_request(item, ["celery:media.*"])


def refusal(item: object) -> str:
    with pytest.raises(RequestError) as raised:
        parse(item)
    return str(raised.value)


def test_kind_and_id_are_enough() -> None:
    assert parse(MINIMAL) == TrackRequest("video", ID, "default")


def test_everything_can_be_given() -> None:
    assert parse(FULL) == TrackRequest("video", ID, "studio", 450, FULL["metadata"], FULL["notify"])


def test_null_stands_for_left_out() -> None:
    assert parse({**MINIMAL, "credits_charged": None, "metadata": None, "notify": None}) == parse(MINIMAL)


def test_a_list_of_destinations_is_for_all_events() -> None:
    assert parse({**MINIMAL, "notify": ["celery:media.publish"]}).notify == {"*": ["celery:media.publish"]}


def test_metadata_may_hold_a_backslash_before_u0000() -> None:
    assert parse({**MINIMAL, "metadata": {"path": r"C:\u0000"}}).metadata == {"path": r"C:\u0000"}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"kind": None}, "kind is None; it must be video, image or audio"),
        ({"kind": "VIDEO"}, "kind is 'VIDEO'; it must be video, image or audio"),
        ({"project_id": None}, "it must be the id from the create call"),
        ({"project_id": "../account"}, "project_id is '../account'; it must be the id from the create call"),
        ({"project_id": 12345678}, "project_id is 12345678; it must be"),
        ({"account": "Studio"}, "account is 'Studio'; it must be 1 to 63 lower-case letters"),
        ({"account": None}, "account is None; it must be"),
        ({"credits_charged": -1}, "it must be a whole number from 0 to 1,000,000,000,000, or omitted"),
        ({"credits_charged": 4.5}, "it must be a whole number from 0 to 1,000,000,000,000, or omitted"),
        ({"credits_charged": True}, "it must be a whole number from 0 to 1,000,000,000,000, or omitted"),
        ({"credits_charged": "450"}, "it must be a whole number from 0 to 1,000,000,000,000, or omitted"),
        ({"credits_charged": MOST_CREDITS + 1}, "it must be a whole number from 0 to 1,000,000,000,000, or omitted"),
        ({"metadata": []}, "metadata must be an object"),
        ({"metadata": {"a": float("nan")}}, "metadata must hold JSON values only"),
        ({"metadata": {"a": object()}}, "metadata must hold JSON values only"),
        ({"metadata": {"a": "half \ud800"}}, "metadata must hold JSON values only"),
        ({"metadata": {"a\x00": 1}}, "metadata must not contain the character U+0000"),
        ({"metadata": {"a": "\\\x00"}}, "metadata must not contain the character U+0000"),
        ({"metadata": {"a": "x" * MOST_METADATA}}, f"metadata has {MOST_METADATA + 8} bytes"),
        ({"metadata": {"a": "🎬" * (MOST_METADATA // 4)}}, f"metadata has {MOST_METADATA + 8} bytes"),
        ({"metadata": {"a": [None] * 9000}}, "metadata has more than 8192 bytes"),
        ({"metadata": {"x" * 201: 1}}, "a key of metadata has 201 characters; at most 200 are allowed"),
        ({"metadata": {7: "x"}}, "metadata must hold JSON values only"),
        ({"metadata": {"a": 10**400}}, "more than 300 digits"),
        ({"notify": "celery:media.publish"}, "notify: routes must be a list of destinations"),
        ({"notify": {"project.done": []}}, "notify: 'project.done' is not an event type; there are"),
        ({"notify": ["celery:finance.pay"]}, "is not allowed; an operator can add it to RENDERWATCH_NOTIFY_ALLOW"),
        ({"notify": ["celery:media.publish?queue=x"]}, "an operator can add it to RENDERWATCH_NOTIFY_ALLOW"),
        ({"notify": ["celery:mediator.pay"]}, "RENDERWATCH_NOTIFY_ALLOW, whose nearest pattern is 'celery:media.*'"),
        ({"projectid": ID}, "unknown key 'projectid'; did you mean project_id?"),
        ({"webhook": "x"}, "unknown key 'webhook'; there are kind, project_id, account"),
        ({7: "x"}, "unknown key 7; there are kind"),
    ],
)
def test_a_wrong_request_is_answered_with_what_to_do(changes: dict[Any, Any], answer: str) -> None:
    assert answer in refusal({**MINIMAL, **changes})


def nested(levels: int, inner: object = None) -> dict[str, Any]:
    """Return an object of so many levels, lists and objects in turn."""
    value: Any = inner
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return {"a": value}


def test_metadata_may_be_sixteen_levels_deep() -> None:
    assert parse({**MINIMAL, "metadata": nested(MOST_METADATA_DEPTH)}).metadata == nested(MOST_METADATA_DEPTH)
    for levels in (MOST_METADATA_DEPTH + 1, 300, 100_000):
        assert refusal({**MINIMAL, "metadata": nested(levels)}) == "metadata is nested deeper than 16 levels"


def test_metadata_may_have_eight_kibibytes_of_utf_8() -> None:
    full = {"a": "é" * ((MOST_METADATA - 8) // 2)}
    assert parse({**MINIMAL, "metadata": full}).metadata == full


def test_values_that_json_writers_write_as_text_are_kept_as_text() -> None:
    given: dict[str, Any] = {
        "id": UUID("7a0bb3c4-6a0f-4a5e-9e3a-000000000000"),
        "at": datetime(2026, 11, 28, 16, tzinfo=UTC),
        "price": Decimal("1.10"),
    }
    assert parse({**MINIMAL, "metadata": given}).metadata == {
        "id": "7a0bb3c4-6a0f-4a5e-9e3a-000000000000",
        "at": "2026-11-28T16:00:00+00:00",
        "price": "1.10",
    }


def test_the_greatest_price_is_a_million_millions() -> None:
    assert parse({**MINIMAL, "credits_charged": MOST_CREDITS}).credits_charged == MOST_CREDITS == 10**12


@pytest.mark.parametrize("item", [None, [], "video", 7, [MINIMAL]])
def test_a_request_is_an_object(item: object) -> None:
    assert "a request must be an object like" in refusal(item)


@pytest.mark.parametrize("key", sorted(FULL))
def test_deep_nesting_is_refused_like_anything_else(key: str) -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert len(refusal({**MINIMAL, key: deep})) < 1000


@pytest.mark.parametrize("key", ["kind", "project_id", "account", "credits_charged", "x" * 10**6])
def test_a_long_mistake_makes_no_long_message(key: str) -> None:
    assert len(refusal({**MINIMAL, key: "x" * 10**6})) < 500


@given(json_values, st.dictionaries(st.sampled_from(sorted(FULL)), json_values))
def test_any_value_is_a_request_or_a_clear_error(item: object, changes: dict[str, object]) -> None:
    for candidate in (item, {**FULL, **changes}):
        try:
            request = parse(candidate)
        except RequestError as error:
            str(error).encode()
        else:
            json.dumps(request.metadata, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"projects": [], "kind": "video"}, "projects cannot be combined with kind;"),
        ({"projects": 5}, "projects must be a list, not int;"),
        ({"projects": None}, "projects must be a list, not null;"),
    ],
)
def test_arguments_that_are_both_or_neither_say_which(kwargs: dict[str, object], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        items_of([], kwargs)
    assert items_of([], {"projects": None, "kind": "video"}) == [{"kind": "video"}]


def test_a_number_beyond_all_readers_is_named_as_such() -> None:
    with pytest.raises(RequestError, match="more than 300 digits"):
        parse({**MINIMAL, "metadata": {"a": 10**300}})


@pytest.mark.parametrize("given", ["", "x" * 201, 7, ["AI_IMAGE"], "A\x00B", "A\nB", "\ud800"])
def test_a_type_that_cannot_be_one_is_refused(given: object) -> None:
    with pytest.raises(RequestError, match=r"^type is .* such as AI_IMAGE"):
        parse_request({"kind": "image", "project_id": ID, "type": given}, ())


def test_a_type_is_taken_as_it_is() -> None:
    assert parse_request({"kind": "image", "project_id": ID, "type": "AI_IMAGE"}, ()).type == "AI_IMAGE"
