"""Whom to ask first when more is due than the rate limit allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Whoever has been due for so long goes first, whatever the others would bring. Seconds.
LONGEST_WAIT: Final = 600.0
# So many times what can be asked is looked at. The rest is younger, and its turn comes.
CANDIDATES: Final = 20
MOST_CANDIDATES: Final = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due project: for how many seconds it has been due, and what asking brings (hazard.benefit)."""

    id: int
    overdue: float
    benefit: float


def choose(candidates: Sequence[Candidate], count: int) -> list[int]:
    """Return whom to ask: first who has waited too long, oldest first, then by benefit."""
    ranked = sorted(
        candidates,
        key=lambda one: (0, -one.overdue) if one.overdue >= LONGEST_WAIT else (1, -one.benefit),
    )
    return [each.id for each in ranked[:count]]
