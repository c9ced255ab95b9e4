import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps

from tests.domain.values import json_values
from worker.domain.intake.bounded_json import DEEPEST, loads


def depth(value: object) -> int:
    """Count the levels of a value."""
    level: list[object] = [value]
    levels = 0
    while level := [inner for each in level for inner in _inner(each)]:
        levels += 1
    return levels


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@given(json_values)
def test_it_reads_what_json_reads(value: object) -> None:
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text or "__type__" in text:
        return
    assert loads(text) == loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize("levels", [1, DEEPEST - 1, DEEPEST, DEEPEST + 1, 1000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[1,{"]":', '},"["]')])
def test_it_reads_the_upper_levels_of_what_is_deep(levels: int, opening: str, closing: str) -> None:
    text = f'{{"a":{opening * levels}null{closing * levels},"b":"[[{{"}}'
    value = loads(text)
    assert value["b"] == "[[{"
    assert depth(value) <= DEEPEST
    if levels < DEEPEST // 2:
        assert value == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[" * 200_000,
        "]" * 200,
        "[" * 70 + "]" * 71,
        '{"a":NaN}',
        "[Infinity]",
        '"' + "[" * 70,
        b"\xff",
        "9" * 5000,
        '[{"a":1,"b":2,"\\u0061":1}]',
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


@given(st.uuids() | st.datetimes() | st.dates() | st.times() | st.decimals(allow_nan=False))
def test_what_kombu_tags_is_read_as_text(value: object) -> None:
    read = loads(dumps({"a": [value]}))["a"][0]
    assert read == (value.isoformat() if hasattr(value, "isoformat") else str(value))


@pytest.mark.parametrize(
    "tagged",
    [{"__type__": "uuid", "__value__": 7}, {"__type__": [], "__value__": {}}, {"__type__": "x", "__value__": 1}],
)
def test_what_only_looks_like_a_tag_stays_as_it_is(tagged: object) -> None:
    assert loads(json.dumps(tagged)) == tagged
