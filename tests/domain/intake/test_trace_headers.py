from typing import Final

import pytest

from worker.domain.intake.trace_headers import read_trace_headers

PARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SENTRY: Final = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"


def test_valid_headers_are_kept_and_nothing_else() -> None:
    headers = {"traceparent": PARENT, "tracestate": "a=1, b=2", "baggage": "user=7;p=1", "sentry-trace": SENTRY}
    kept = headers | {"tracestate": "a=1,b=2"}
    assert read_trace_headers(headers | {"authorization": "Bearer x", "task": "renderwatch.track"}) == kept


def test_sentry_puts_its_headers_one_level_below() -> None:
    assert read_trace_headers({"id": "1", "headers": {"sentry-trace": SENTRY}}) == {"sentry-trace": SENTRY}


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        7,
        None,
        [PARENT],
    ],
)
def test_a_parent_that_is_none_is_left_out_with_its_state(parent: object) -> None:
    assert read_trace_headers({"traceparent": parent, "tracestate": "a=1"}) == {}


def test_of_a_later_version_only_what_is_known_is_kept() -> None:
    assert read_trace_headers({"traceparent": "01" + PARENT[2:] + "-what-comes-later"}) == {
        "traceparent": "01" + PARENT[2:]
    }


def test_lists_are_bounded_as_w3c_says() -> None:
    state = ",".join(f"vendor{number}={'x' * 20}" for number in range(100))
    baggage = ",".join(f"key{number}={'x' * 500}" for number in range(100))
    kept = read_trace_headers({"traceparent": PARENT, "tracestate": state, "baggage": baggage})
    assert len(kept["tracestate"]) <= 512
    assert state.startswith(kept["tracestate"] + ",")
    assert len(kept["baggage"]) <= 8192
    assert baggage.startswith(kept["baggage"] + ",")
    assert read_trace_headers({"baggage": "x" * 100_000}) == {}


@pytest.mark.parametrize("text", ["a=b\r\nx-evil: 1", "a=\x00", "ü=1", "no list"])
def test_what_is_no_header_is_left_out(text: str) -> None:
    assert read_trace_headers({"traceparent": PARENT, "tracestate": text, "baggage": text}) == {"traceparent": PARENT}
