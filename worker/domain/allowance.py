"""How many requests an account may send now, and what its answers do to that.

The promise: in any window of W seconds an account sends at most ``rate * W + burst`` requests. Half of the burst is the
size of a token bucket that each claim draws from; the other half bounds what is claimed and not yet recorded. A window
then holds at most what was claimed in it (rate * W + bucket) and what was in flight at its start (the other half),
however long messages were delayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from worker.domain.backoff import backoff
from worker.domain.observation import Problem

PROBE_EVERY: Final = 60.0
# Recovering from the lowest rate takes this many seconds; each 429 halves the rate (additive increase, multiplicative
# decrease: Chiu and Jain 1989).
RECOVERY: Final = 600.0
LEAST_FACTOR: Final = 0.05
LONGEST_PAUSE: Final = 3600.0
# So many failures in a row, with no success among them, and the API is taken to be down.
CIRCUIT_OPENS_AT: Final = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits: ``rate`` in requests per second, ``burst`` in requests (at least 2)."""

    rate: float
    burst: int

    @property
    def bucket(self) -> int:
        """How many unused requests can be saved up."""
        return self.burst // 2

    @property
    def in_flight(self) -> int:
        """How many requests can be claimed and not yet recorded."""
        return self.burst - self.bucket


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of an account's allowance; ``tokens`` are requests, ``rate_factor`` is what 429s left of the rate."""

    tokens: float
    refilled_at: datetime
    rate_factor: float = 1.0
    paused_until: datetime | None = None
    pause_reason: str | None = None
    failure_streak: int = 0


def refill(allowance: Allowance, limits: Limits, now: datetime) -> Allowance:
    """Add what the time since the last refill earned. A clock that went backwards earns nothing."""
    elapsed = max(0.0, (now - allowance.refilled_at).total_seconds())
    tokens = min(float(limits.bucket), allowance.tokens + limits.rate * allowance.rate_factor * elapsed)
    factor = min(1.0, allowance.rate_factor + elapsed / RECOVERY)
    return replace(allowance, tokens=tokens, refilled_at=now, rate_factor=factor)


def claimable(allowance: Allowance, limits: Limits, in_flight: int, now: datetime) -> int:
    """How many projects may be claimed now, after a refill. A paused account gets one probe when its pause is over."""
    free = min(int(allowance.tokens), limits.in_flight - in_flight)
    if allowance.paused_until is None:
        return max(0, free)
    if allowance.paused_until > now or in_flight:
        return 0
    return min(1, max(0, free))


def take(allowance: Allowance, count: int, now: datetime) -> Allowance:
    """Draw what was claimed. A claim by a paused account is a probe: the next one comes after a while."""
    taken = replace(allowance, tokens=allowance.tokens - count)
    if allowance.paused_until is None or not count:
        return taken
    if allowance.pause_reason == Problem.RATE_LIMITED:
        # The API said when to come back, and that time has come: go on at the lower rate, without probing.
        return replace(taken, paused_until=None, pause_reason=None)
    return replace(taken, paused_until=now + timedelta(seconds=PROBE_EVERY))


def learn(
    allowance: Allowance, problems: Mapping[Problem, int], successes: int, now: datetime, retry_after: float | None
) -> Allowance:
    """Draw the consequences of a batch of answers: how many of each problem, and how many without one."""
    if problems.get(Problem.RATE_LIMITED):
        return _slow_down(allowance, now, retry_after)
    for problem in (Problem.UNAUTHORIZED, Problem.PAYMENT_REQUIRED):
        # Beside answers to the same key, a refusal is the trouble of that one project.
        if problems.get(problem) and not successes:
            return _pause(allowance, problem, PROBE_EVERY, now)
    failures = problems.get(Problem.UNAVAILABLE, 0)
    if failures > successes:
        return _count_failures(allowance, failures, now)
    if not successes:
        return allowance
    recovered = replace(allowance, failure_streak=0)
    if allowance.pause_reason == Problem.RATE_LIMITED:
        return recovered
    return replace(recovered, paused_until=None, pause_reason=None)


def _slow_down(allowance: Allowance, now: datetime, retry_after: float | None) -> Allowance:
    pause = min(PROBE_EVERY if retry_after is None else max(retry_after, 1.0), LONGEST_PAUSE)
    running = allowance.paused_until
    if allowance.pause_reason == Problem.RATE_LIMITED and running is not None and running > now:
        # Answers to what was under way when the API first complained: slowed down for already.
        return _pause(allowance, Problem.RATE_LIMITED, pause, now)
    slower = replace(allowance, rate_factor=max(LEAST_FACTOR, allowance.rate_factor / 2))
    return _pause(slower, Problem.RATE_LIMITED, pause, now)


def _count_failures(allowance: Allowance, failures: int, now: datetime) -> Allowance:
    if allowance.failure_streak < CIRCUIT_OPENS_AT:
        streak = min(allowance.failure_streak + failures, CIRCUIT_OPENS_AT)
    else:
        streak = allowance.failure_streak + 1  # another failed probe
    counted = replace(allowance, failure_streak=streak)
    if streak < CIRCUIT_OPENS_AT:
        return counted
    pause = backoff(streak - CIRCUIT_OPENS_AT + 1, base=10, limit=300, jitter=1)
    return _pause(counted, Problem.UNAVAILABLE, pause, now)


def _pause(allowance: Allowance, reason: Problem, seconds: float, now: datetime) -> Allowance:
    until = now + timedelta(seconds=seconds)
    running = allowance.paused_until
    if running is not None and running > until and allowance.pause_reason == Problem.RATE_LIMITED:
        return allowance  # the API said when to come back; what was still under way cannot shorten that
    return replace(allowance, paused_until=until, pause_reason=str(reason))
