import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.request import MOST_METADATA, RequestError, TrackRequest, parse_request

from .values import json_values

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
    return parse_request(item, {"default", "studio"}, ["celery:media.*"])


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
        ({"account": "other"}, "account 'other' has no API key; set it in MAGIC_HOUR_API_KEYS"),
        ({"credits_charged": -1}, "it must be a whole number, 0 or more, or left out"),
        ({"credits_charged": 4.5}, "it must be a whole number, 0 or more, or left out"),
        ({"credits_charged": True}, "it must be a whole number, 0 or more, or left out"),
        ({"credits_charged": "450"}, "it must be a whole number, 0 or more, or left out"),
        ({"credits_charged": 2**63}, "it must be a whole number, 0 or more, or left out"),
        ({"metadata": []}, "metadata must be an object"),
        ({"metadata": {"a": float("nan")}}, "metadata must hold JSON values only"),
        ({"metadata": {"a": object()}}, "metadata must hold JSON values only"),
        ({"metadata": {"a": "half \ud800"}}, "metadata must hold JSON values only"),
        ({"metadata": {"a\x00": 1}}, "metadata must not hold the character U+0000"),
        ({"metadata": {"a": "\\\x00"}}, "metadata must not hold the character U+0000"),
        ({"metadata": {"a": "x" * MOST_METADATA}}, f"at most {MOST_METADATA} are kept"),
        ({"notify": "celery:media.publish"}, "notify: routes are a list of destinations"),
        ({"notify": {"project.done": []}}, "notify: 'project.done' is no event type; there are"),
        ({"notify": ["celery:finance.pay"]}, "is not allowed; an operator can add it to RENDERWATCH_NOTIFY_ALLOW"),
        ({"notify": ["celery:media.publish?queue=x"]}, "an operator can add it to RENDERWATCH_NOTIFY_ALLOW"),
        ({"projectid": ID}, "unknown key 'projectid'; did you mean project_id?"),
        ({"webhook": "x"}, "unknown key 'webhook'; there are kind, project_id, account"),
        ({7: "x"}, "unknown key 7; there are kind"),
    ],
)
def test_a_wrong_request_is_answered_with_what_to_do(changes: dict[Any, Any], answer: str) -> None:
    assert answer in refusal({**MINIMAL, **changes})


def test_the_default_account_without_a_key_names_its_variable() -> None:
    with pytest.raises(RequestError, match="MAGIC_HOUR_API_KEY"):
        parse_request(MINIMAL, set(), [])


@pytest.mark.parametrize("item", [None, [], "video", 7, [MINIMAL]])
def test_a_request_is_an_object(item: object) -> None:
    assert "a request is an object like" in refusal(item)


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
