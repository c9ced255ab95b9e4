"""Which projects to check first when more are due than the rate limit allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Seconds after which an overdue running project goes first, regardless of the delay saved.
LONGEST_WAIT: Final = 600.0
# Candidates considered per available request; the rest became due later.
CANDIDATES: Final = 20
MOST_CANDIDATES: Final = 2000
# The largest share of requests for finished projects while running ones wait.
SETTLING_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due project that is running: the seconds since it came due, and the delay that a check saves."""

    id: int
    overdue: float
    delay_saved: float


@dataclass(frozen=True, slots=True)
class SettlingCandidate:
    """A due project that has finished: the seconds since it came due, and the gap before this check."""

    id: int
    overdue: float
    gap: float

    @property
    def seconds_left(self) -> float:
        """Seconds until it has waited twice as long as planned; negative after that."""
        return self.gap - self.overdue

    @property
    def is_pressing(self) -> bool:
        """Whether half of that time has passed."""
        return self.overdue >= self.gap / 2


def choose(
    running: Sequence[Candidate], count: int, settling: Sequence[SettlingCandidate] = (), lot: float = 0.0
) -> list[int]:
    """Return the ids of the ``count`` projects to check now.

    A finished project can wait, because a later check finds the same changes. So running projects go first, and
    finished ones use the rest; but those that are pressing get a share of their own, nearest deadline first. ``lot``
    is a random number from 0 to 1 that rounds this share, so that it is kept even with one request at a time.
    """
    by_deadline = sorted(settling, key=lambda one: (not one.is_pressing, one.seconds_left))
    pressing = sum(one.is_pressing for one in by_deadline)
    kept = min(pressing, math.floor(count * SETTLING_SHARE + lot))
    first = [one.id for one in _ranked(running)[: count - kept]]
    return first + [one.id for one in by_deadline[: count - len(first)]]


def _ranked(running: Sequence[Candidate]) -> list[Candidate]:
    """Rank running projects: those that have waited too long, oldest first, then by the delay saved."""
    return sorted(running, key=lambda one: (0, -one.overdue) if one.overdue >= LONGEST_WAIT else (1, -one.delay_saved))
