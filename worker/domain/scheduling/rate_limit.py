"""How many requests an account may send now, and how API responses change that.

The promise: in any window of W seconds an account sends at most ``rate * W + burst`` requests. Half of the burst is the
size of a token bucket that each claim draws from; the other half bounds what is claimed and not yet recorded. A window
then contains at most what was claimed in it (rate * W + bucket) and what was in flight at its start (the other half),
however long messages were delayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from worker.domain.projects.observation import FailureKind
from worker.domain.scheduling.backoff import backoff

PROBE_EVERY: Final = 60.0
# Seconds to recover from the lowest rate; each 429 halves the rate (additive increase, multiplicative
# decrease: Chiu and Jain 1989).
RECOVERY: Final = 600.0
LEAST_FACTOR: Final = 0.05
LONGEST_PAUSE: Final = 3600.0
# Consecutive failures after which the circuit opens.
CIRCUIT_OPENS_AT: Final = 10
_API_IS_DOWN: Final = (FailureKind.UNAVAILABLE, FailureKind.NOTHING_FOUND)
# Failures of a project that only an API that works can report.
_API_ANSWERS: Final = (FailureKind.BAD_ANSWER, FailureKind.REFUSED, FailureKind.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits: ``rate`` in requests per second, ``burst`` in requests (at least 2)."""

    rate: float
    burst: int

    @property
    def bucket(self) -> int:
        """The number of unused requests that can accumulate."""
        return self.burst // 2

    @property
    def in_flight(self) -> int:
        """The number of requests that can be claimed and not yet recorded."""
        return self.burst - self.bucket


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The state of an account's rate limit, in ``tokens`` of one request each.

    ``rate_factor`` is the fraction of the rate that remains after 429s. ``pause_reason`` is the kind of failure that
    paused it, ``pause_detail`` a sentence about it.
    """

    tokens: float
    refilled_at: datetime
    rate_factor: float = 1.0
    paused_until: datetime | None = None
    pause_reason: str | None = None
    failure_streak: int = 0
    pause_detail: str | None = None


def is_paused(paused_until: datetime | None, pause_reason: str | None, now: datetime) -> bool:
    """Whether an account is paused: until the pause is over, or until a probe succeeds."""
    if paused_until is None:
        return False
    return paused_until > now or pause_reason != FailureKind.RATE_LIMITED


def refill(rate_limit: RateLimit, limits: Limits, now: datetime) -> RateLimit:
    """Add the tokens earned since the last refill; none if the clock went backwards."""
    elapsed = max(0.0, (now - rate_limit.refilled_at).total_seconds())
    tokens = min(float(limits.bucket), rate_limit.tokens + limits.rate * rate_limit.rate_factor * elapsed)
    factor = min(1.0, rate_limit.rate_factor + elapsed / RECOVERY)
    return replace(rate_limit, tokens=tokens, refilled_at=now, rate_factor=factor)


def available(rate_limit: RateLimit, limits: Limits, in_flight: int, now: datetime) -> int:
    """Return how many projects may be claimed now, after a refill. A paused account gets one probe after its pause."""
    free = min(int(rate_limit.tokens), limits.in_flight - in_flight)
    if rate_limit.paused_until is None:
        return max(0, free)
    if rate_limit.paused_until > now or in_flight:
        return 0
    return min(1, max(0, free))


def consume(rate_limit: RateLimit, count: int, now: datetime) -> RateLimit:
    """Take the tokens of a claim. A paused account's claim is a probe, and the next one must wait."""
    taken = replace(rate_limit, tokens=rate_limit.tokens - count)
    if rate_limit.paused_until is None or not count:
        return taken
    if rate_limit.pause_reason == FailureKind.RATE_LIMITED:
        # Retry-After is over: continue at the lower rate, without a probe.
        return _resumed(taken)
    return replace(taken, paused_until=now + timedelta(seconds=PROBE_EVERY))


def on_responses(
    rate_limit: RateLimit,
    failures: Mapping[FailureKind, int],
    successes: int,
    now: datetime,
    retry_after: float | None,
    details: Mapping[FailureKind, str] = MappingProxyType({}),
    *,
    account_found: bool = False,
) -> RateLimit:
    """Apply a batch of responses: the number of each kind of failure, and of successes.

    ``details`` explain the failures, to show why the account is paused. ``account_found``: the account itself was
    looked up and found, so that the API works and its failures concern only the projects.
    """
    if failures.get(FailureKind.RATE_LIMITED):
        return _slow_down(rate_limit, now, retry_after, details)
    for failure_kind in (FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED):
        # If other requests with the same key succeed, a refusal concerns only that project.
        if failures.get(failure_kind) and not successes:
            return _pause(rate_limit, failure_kind, PROBE_EVERY, now, details)
    down = {each: failures[each] for each in _API_IS_DOWN if failures.get(each)}
    if sum(down.values()) > successes and not account_found:
        return _count_failures(rate_limit, down, now, details)
    answers = rate_limit.pause_reason == FailureKind.UNAVAILABLE and any(map(failures.get, _API_ANSWERS))
    if not (successes or account_found or answers):
        return rate_limit
    recovered = replace(rate_limit, failure_streak=0)
    return recovered if rate_limit.pause_reason == FailureKind.RATE_LIMITED else _resumed(recovered)


def opens_circuit(failure_streak: int, unavailable: int, successes: int) -> bool:
    """Whether a batch with that many ``unavailable`` answers opens an account's circuit, or keeps it open."""
    return unavailable > successes and failure_streak + unavailable >= CIRCUIT_OPENS_AT


def _slow_down(
    rate_limit: RateLimit, now: datetime, retry_after: float | None, details: Mapping[FailureKind, str]
) -> RateLimit:
    pause = min(PROBE_EVERY if retry_after is None else max(retry_after, 1.0), LONGEST_PAUSE)
    running = rate_limit.paused_until
    if rate_limit.pause_reason == FailureKind.RATE_LIMITED and running is not None and running > now:
        # Responses to requests that were in flight at the first 429: the rate is already lowered.
        return _pause(rate_limit, FailureKind.RATE_LIMITED, pause, now, details)
    slower = replace(rate_limit, rate_factor=max(LEAST_FACTOR, rate_limit.rate_factor / 2))
    return _pause(slower, FailureKind.RATE_LIMITED, pause, now, details)


def _count_failures(
    rate_limit: RateLimit, failures: Mapping[FailureKind, int], now: datetime, details: Mapping[FailureKind, str]
) -> RateLimit:
    if rate_limit.failure_streak < CIRCUIT_OPENS_AT:
        streak = min(rate_limit.failure_streak + sum(failures.values()), CIRCUIT_OPENS_AT)
    else:
        streak = rate_limit.failure_streak + 1  # another failed probe
    counted = replace(rate_limit, failure_streak=streak)
    if streak < CIRCUIT_OPENS_AT:
        return counted
    pause = backoff(streak - CIRCUIT_OPENS_AT + 1, base=10, limit=300, jitter=1)
    return _pause(counted, max(failures, key=lambda each: failures[each]), pause, now, details)


def _pause(
    rate_limit: RateLimit, reason: FailureKind, seconds: float, now: datetime, details: Mapping[FailureKind, str]
) -> RateLimit:
    until = now + timedelta(seconds=seconds)
    running = rate_limit.paused_until
    if running is not None and running > until and rate_limit.pause_reason == FailureKind.RATE_LIMITED:
        return rate_limit  # later responses must not shorten a Retry-After
    return replace(rate_limit, paused_until=until, pause_reason=str(reason), pause_detail=details.get(reason))


def _resumed(rate_limit: RateLimit) -> RateLimit:
    return replace(rate_limit, paused_until=None, pause_reason=None, pause_detail=None)
