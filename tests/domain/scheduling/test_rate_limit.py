from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import START, after
from worker.domain.projects.observation import FailureKind
from worker.domain.scheduling.rate_limit import (
    CIRCUIT_OPENS_AT,
    LEAST_FACTOR,
    LONGEST_PAUSE,
    PROBE_EVERY,
    RECOVERY,
    Limits,
    RateLimit,
    available,
    consume,
    on_responses,
    opens_circuit,
    refill,
)

LIMITS = Limits(rate=10.0, burst=50)
FULL = RateLimit(tokens=25.0, refilled_at=START)


def hear(
    rate_limit: RateLimit,
    failures: Mapping[FailureKind, int],
    successes: int = 0,
    seconds: float = 0,
    retry_after: float | None = None,
) -> RateLimit:
    return on_responses(rate_limit, failures, successes, after(seconds=seconds), retry_after)


def allowed(rate_limit: RateLimit, seconds: float, in_flight: int = 0) -> int:
    now = after(seconds=seconds)
    return available(refill(rate_limit, LIMITS, now), LIMITS, in_flight, now)


# --- the promise ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """A tick of the dispatcher: how long after the last one, how many are due, and what becomes of its claim."""

    wait: float
    wanted: int
    sent: list[float]  # when each request is sent, as a part of the lease
    recorded: float  # when the batch is recorded, as a part of the lease
    rate_limited: bool


LEASE = 60.0
parts = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from([0.0, 0.1, 1.0, 5.0, 59.9, 60.0, 300.0]) | st.floats(0, 100),
        st.integers(1, 100),
        st.lists(parts, min_size=1, max_size=4),
        parts,
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=20,
)
limits = st.builds(Limits, st.sampled_from([0.05, 1.0, 10.0, 333.3]), st.integers(2, 101))


def sends(limits: Limits, schedule: list[Turn]) -> list[float]:
    """The times of all requests, when messages wait anywhere from no time to the whole lease."""
    rate_limit = RateLimit(tokens=0.0, refilled_at=START)
    now = 0.0
    under_way: list[tuple[float, int, bool]] = []  # until when, how many, and whether answered with 429
    sent: list[float] = []
    for turn in schedule:
        now += turn.wait
        for end, _, rate_limited in under_way:
            if end <= now and rate_limited:
                rate_limit = hear(rate_limit, {FailureKind.RATE_LIMITED: 1}, seconds=now, retry_after=1)
        under_way = [claim for claim in under_way if claim[0] > now]
        rate_limit = refill(rate_limit, limits, after(seconds=now))
        in_flight = sum(count for _, count, _ in under_way)
        count = min(turn.wanted, available(rate_limit, limits, in_flight, after(seconds=now)))
        if not count:
            continue
        rate_limit = consume(rate_limit, count, after(seconds=now))
        under_way.append((now + turn.recorded * LEASE, count, turn.rate_limited))
        sent += [now + min(turn.sent[n % len(turn.sent)], turn.recorded) * LEASE for n in range(count)]
    return sorted(sent)


def assert_kept(limits: Limits, sent: list[float]) -> None:
    for first, start in enumerate(sent):
        for last in range(first, len(sent)):
            window = sent[last] - start
            assert last - first + 1 <= limits.rate * window + limits.burst + 1e-6


@given(limits, turns)
def test_no_window_holds_more_than_the_rate_and_the_burst(limits: Limits, schedule: list[Turn]) -> None:
    assert_kept(limits, sends(limits, schedule))


@given(limits)
def test_messages_that_are_held_back_cannot_pile_up(limits: Limits) -> None:
    left = [1 - second / LEASE for second in range(60)]
    # Each second's claim waits for the same moment; what is claimed then is sent at once.
    held = [Turn(wait=1, wanted=1000, sent=[part], recorded=part, rate_limited=False) for part in left]
    at_once = Turn(wait=1, wanted=1000, sent=[0.0], recorded=0.0, rate_limited=False)
    assert_kept(limits, sends(limits, [replace(held[0], wait=10_000), *held[1:], at_once]))


@given(limits)
def test_the_burst_is_reached_by_messages_that_come_late(limits: Limits) -> None:
    late = Turn(wait=10_000, wanted=1000, sent=[1.0], recorded=1.0, rate_limited=False)
    at_once = Turn(wait=60, wanted=1000, sent=[0.0], recorded=0.0, rate_limited=False)
    sent = sends(limits, [late, at_once])
    assert len(sent) == min(limits.bucket, limits.in_flight) + min(limits.bucket, int(limits.rate * 60))


@given(limits, st.lists(st.floats(0.01, 100), max_size=20))
def test_without_trouble_the_whole_rate_is_used(limits: Limits, waits: list[float]) -> None:
    rate_limit, total = RateLimit(0.0, START), 0
    now, earned = START, 0.0
    for wait in waits:
        now += timedelta(seconds=wait)
        earned = min(limits.bucket, earned + limits.rate * wait)
        rate_limit = refill(rate_limit, limits, now)
        count = available(rate_limit, limits, 0, now)
        assert count == pytest.approx(earned, abs=1.001)
        rate_limit = consume(rate_limit, count, now)
        earned -= count
        total += count
    assert rate_limit.tokens >= 0


# --- refilling and claiming -----------------------------------------------------------------------------------------


def test_unused_requests_are_saved_up_to_half_the_burst() -> None:
    assert allowed(RateLimit(0.0, START), 1) == 10
    assert allowed(RateLimit(0.0, START), 1000) == 25


def test_the_other_half_bounds_what_is_under_way() -> None:
    assert [allowed(FULL, 0, in_flight) for in_flight in (0, 10, 24, 25, 80)] == [25, 15, 1, 0, 0]


def test_an_odd_burst_is_not_rounded_away() -> None:
    assert (Limits(1, 5).bucket, Limits(1, 5).in_flight) == (2, 3)


def test_a_clock_that_went_backwards_earns_nothing_and_stops_nothing() -> None:
    back = refill(RateLimit(3.0, START), LIMITS, after(hours=-1))
    assert back.tokens == 3
    assert refill(back, LIMITS, after(hours=-1, seconds=1)).tokens == 13


def test_a_lower_limit_holds_at_once() -> None:
    assert refill(RateLimit(1000.0, START), LIMITS, START).tokens == LIMITS.bucket


# --- 429 ------------------------------------------------------------------------------------------------------------


def test_a_429_halves_the_rate_and_pauses_as_long_as_asked() -> None:
    slowed = hear(FULL, {FailureKind.RATE_LIMITED: 5}, successes=45, retry_after=17)
    assert slowed.rate_factor == 0.5
    assert slowed.paused_until == after(seconds=17)
    assert [allowed(slowed, seconds) for seconds in (0, 16.9, 17)] == [0, 0, 1]


def test_a_429_without_a_retry_after_pauses_for_a_minute() -> None:
    assert hear(FULL, {FailureKind.RATE_LIMITED: 1}).paused_until == after(seconds=PROBE_EVERY)


def test_no_pause_is_longer_than_an_hour() -> None:
    assert hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=10**9).paused_until == after(seconds=LONGEST_PAUSE)


def test_the_rate_has_a_floor_and_comes_back_slowly() -> None:
    slowed = FULL
    for _ in range(20):
        slowed = replace(hear(slowed, {FailureKind.RATE_LIMITED: 1}), paused_until=None, pause_reason=None)
    assert slowed.rate_factor == LEAST_FACTOR
    factors = [refill(slowed, LIMITS, after(seconds=RECOVERY * part)).rate_factor for part in (0, 0.1, 0.5, 0.95, 9)]
    assert factors == pytest.approx([0.05, 0.15, 0.55, 1, 1])


def test_what_was_under_way_when_the_api_complained_does_not_slow_an_account_down_again() -> None:
    once = hear(FULL, {FailureKind.RATE_LIMITED: 50})
    assert hear(once, {FailureKind.RATE_LIMITED: 50}).rate_factor == once.rate_factor == 0.5


def test_no_time_to_wait_is_a_moment() -> None:
    assert hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=0.0).paused_until == after(seconds=1)


@pytest.mark.parametrize("failure_kind", [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED])
def test_a_refusal_beside_answers_is_the_trouble_of_one_project(failure_kind: FailureKind) -> None:
    assert hear(FULL, {failure_kind: 1}, successes=49).paused_until is None


def test_a_slower_account_earns_less() -> None:
    slowed = replace(FULL, tokens=0.0, rate_factor=0.5)
    assert refill(slowed, LIMITS, after(seconds=1)).tokens == 5


def test_after_the_pause_of_a_429_it_goes_on_without_probing() -> None:
    slowed = hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=10)
    resumed = consume(refill(slowed, LIMITS, after(seconds=10)), 1, after(seconds=10))
    assert (resumed.paused_until, resumed.pause_reason) == (None, None)
    assert allowed(resumed, 10, in_flight=1) > 1


def test_a_late_success_does_not_end_the_pause_of_a_429() -> None:
    slowed = hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=100)
    assert hear(slowed, {}, successes=50, seconds=1).paused_until == after(seconds=100)


@pytest.mark.parametrize("failure_kind", [FailureKind.RATE_LIMITED, FailureKind.UNAUTHORIZED, FailureKind.UNAVAILABLE])
def test_no_other_trouble_shortens_the_pause_of_a_429(failure_kind: FailureKind) -> None:
    slowed = hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=600)
    later = hear(slowed, {failure_kind: 50}, seconds=1)
    assert (later.paused_until, later.pause_reason) == (after(seconds=600), FailureKind.RATE_LIMITED)


def test_a_longer_pause_replaces_a_shorter_one() -> None:
    slowed = hear(FULL, {FailureKind.RATE_LIMITED: 1}, retry_after=10)
    assert hear(slowed, {FailureKind.RATE_LIMITED: 1}, retry_after=600).paused_until == after(seconds=600)


# --- pauses and probes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure_kind", [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED])
def test_the_accounts_trouble_pauses_it_and_lets_one_probe_through_a_minute(failure_kind: FailureKind) -> None:
    paused = hear(FULL, {failure_kind: 50})
    assert paused.pause_reason == failure_kind
    assert [allowed(paused, seconds) for seconds in (0, 59.9, 60, 6000)] == [0, 0, 1, 1]
    assert allowed(paused, 60, in_flight=1) == 0
    probing = consume(paused, 1, after(seconds=60))
    assert [allowed(probing, seconds) for seconds in (60, 119.9, 120)] == [0, 0, 1]


def test_a_tick_that_claims_nothing_is_no_probe() -> None:
    paused = hear(FULL, {FailureKind.UNAUTHORIZED: 1})
    assert consume(paused, 0, after(seconds=60)) == paused


def test_a_probe_needs_a_request_too() -> None:
    paused = hear(replace(FULL, tokens=0.0), {FailureKind.UNAUTHORIZED: 1})
    assert available(paused, LIMITS, 0, after(hours=1)) == 0


@pytest.mark.parametrize(
    "failure_kind", [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED, FailureKind.UNAVAILABLE]
)
def test_a_success_ends_the_pause(failure_kind: FailureKind) -> None:
    paused = hear(FULL, {failure_kind: CIRCUIT_OPENS_AT})
    assert allowed(paused, 0) == 0
    assert allowed(hear(paused, {}, successes=1), 0) == 25


@pytest.mark.parametrize(
    "failure_kind", [FailureKind.BAD_ANSWER, FailureKind.NOT_FOUND, FailureKind.REFUSED, FailureKind.NOT_SENT]
)
def test_a_projects_own_trouble_changes_nothing_for_its_account(failure_kind: FailureKind) -> None:
    paused = hear(FULL, {FailureKind.UNAUTHORIZED: 1})
    assert hear(FULL, {failure_kind: 50}) == FULL
    assert hear(paused, {failure_kind: 50}) == paused


# --- the circuit ----------------------------------------------------------------------------------------------------


def test_ten_failures_without_a_success_open_the_circuit() -> None:
    nine = hear(FULL, {FailureKind.UNAVAILABLE: CIRCUIT_OPENS_AT - 1})
    assert (nine.failure_streak, nine.paused_until) == (CIRCUIT_OPENS_AT - 1, None)
    ten = hear(nine, {FailureKind.UNAVAILABLE: 1})
    assert (ten.paused_until, ten.pause_reason) == (after(seconds=10), FailureKind.UNAVAILABLE)
    assert [allowed(ten, seconds) for seconds in (9.9, 10)] == [0, 1]


def test_as_many_successes_as_failures_keep_it_closed() -> None:
    nine = hear(FULL, {FailureKind.UNAVAILABLE: CIRCUIT_OPENS_AT - 1})
    assert hear(nine, {FailureKind.UNAVAILABLE: 25}, successes=25).failure_streak == 0
    assert hear(nine, {FailureKind.UNAVAILABLE: 26}, successes=24).paused_until is not None


def test_each_failed_probe_doubles_the_pause_up_to_five_minutes() -> None:
    opened, pauses = FULL, []
    for count in [CIRCUIT_OPENS_AT, 1, 1, 1, 1, 1, 1]:
        opened = hear(opened, {FailureKind.UNAVAILABLE: count})
        assert opened.paused_until is not None
        pauses.append((opened.paused_until - START).total_seconds())
    assert pauses == [10, 20, 40, 80, 160, 300, 300]


def test_a_large_batch_opens_the_circuit_no_wider_than_a_small_one() -> None:
    assert hear(FULL, {FailureKind.UNAVAILABLE: 1000}) == hear(FULL, {FailureKind.UNAVAILABLE: CIRCUIT_OPENS_AT})


def test_a_batch_opens_the_circuit_when_its_failures_outnumber_its_successes_and_complete_the_streak() -> None:
    assert not opens_circuit(0, CIRCUIT_OPENS_AT - 1, 0)
    assert opens_circuit(0, CIRCUIT_OPENS_AT, CIRCUIT_OPENS_AT - 1)
    assert not opens_circuit(0, CIRCUIT_OPENS_AT, CIRCUIT_OPENS_AT)
    assert opens_circuit(CIRCUIT_OPENS_AT - 1, 1, 0)


def test_failures_beside_an_account_that_is_found_neither_open_the_circuit_nor_keep_it_open() -> None:
    opened = hear(FULL, {FailureKind.UNAVAILABLE: CIRCUIT_OPENS_AT})
    for before in (FULL, opened):
        found = on_responses(before, {FailureKind.UNAVAILABLE: 12}, 1, START, None, account_found=True)
        assert (found.paused_until, found.failure_streak) == (None, 0)


@pytest.mark.parametrize("failure_kind", [FailureKind.BAD_ANSWER, FailureKind.REFUSED, FailureKind.FORBIDDEN])
def test_an_answer_about_a_project_ends_the_pause_of_an_api_that_was_down(failure_kind: FailureKind) -> None:
    opened = hear(FULL, {FailureKind.UNAVAILABLE: CIRCUIT_OPENS_AT})
    assert hear(opened, {failure_kind: 1}).paused_until is None
    assert hear(opened, {failure_kind: 1, FailureKind.UNAVAILABLE: 1}).paused_until is not None
