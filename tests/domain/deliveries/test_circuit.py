from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.deliveries.circuit import OPENS_AT, Circuit, on_failures, on_probe

NOW = datetime(2026, 11, 28, tzinfo=UTC)
counts = st.integers(0, 3000)
jitters = st.floats(0, 1)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_circuit_that_is_closed_lets_everything_through() -> None:
    circuit = on_failures(Circuit(), OPENS_AT - 1, NOW, 1)
    assert circuit.allows(NOW, 200) == 200
    assert circuit.failing_since == NOW


@given(counts, jitters)
def test_enough_failures_open_it_and_nothing_goes_through_before_its_time(more: int, jitter: float) -> None:
    circuit = on_failures(Circuit(), OPENS_AT + more, NOW, jitter)
    assert circuit.open_until is not None
    assert NOW < circuit.open_until <= later(60)
    assert circuit.allows(NOW, 200) == 0
    assert circuit.allows(circuit.open_until, 200) == 1
    assert circuit.allows(circuit.open_until, 0) == 0


@given(counts, counts, jitters)
def test_failures_that_were_under_way_do_not_put_off_the_probe(more: int, late: int, jitter: float) -> None:
    opened = on_failures(Circuit(), OPENS_AT + more, NOW, jitter)
    assert on_failures(opened, late, later(1), jitter).open_until == opened.open_until


def test_probes_are_further_and_further_apart_up_to_a_minute() -> None:
    circuit, now, gaps = on_failures(Circuit(), OPENS_AT, NOW, 1), NOW, []
    for _ in range(8):
        assert circuit.open_until is not None
        gaps.append((circuit.open_until - now).total_seconds())
        now = circuit.open_until
        circuit = on_failures(on_probe(circuit, now, 1), 1, now, 1)
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]


def test_no_failure_changes_nothing() -> None:
    assert on_failures(Circuit(), 0, NOW, 1) == Circuit()
    assert on_probe(Circuit(), NOW, 1) == Circuit()
