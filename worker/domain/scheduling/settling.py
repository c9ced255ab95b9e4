"""Which checks of a finished project are worth a request, learned from how often and when credits change.

The last check is always made: it finds what earlier ones would have found, only later. Earlier ones are
made where changes have been seen, where too little is known, and for a permanent sample of all projects, so
that a change in the vendor's behaviour is noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from zlib import crc32

from worker.domain.scheduling.hazard import recency_weight

# By age in seconds after the end: the probability that credits change between the previous age and this one.
SettlingRates = Mapping[float, float]
# The ages between which credits changed.
_Changes = tuple[tuple[float, float], ...]
# Before there is data, one of 20 projects is assumed to change within each interval.
_PRIOR_CHANGED: Final = 1.0
_PRIOR_UNCHANGED: Final = 19.0
_STEPS: Final = 10
# A check is worth its request if it finds a change with at least this probability.
_WORTH: Final = 0.05
# One of this many projects is checked at all ages, whatever was learned.
_SAMPLED: Final = 20


@dataclass(frozen=True, slots=True)
class SettledProject:
    """A finished project: when it was last seen and when its credits changed, in seconds after its end."""

    seen_until: float
    changes: _Changes = ()

    def changed(self, low: float, high: float) -> bool:
        """Whether a change may have happened between these ages."""
        return any(_overlap(change, (low, high)) for change in self.changes)


def estimate_rates(ages: Sequence[float], projects: Sequence[SettledProject]) -> dict[float, float]:
    """Return the probability of a change before each age, from projects of one kind, type and status, newest first.

    A change that was detected late is shared among the intervals in which it may have happened, in proportion to their
    rates (self-consistency, as for durations): the sample, which is checked at all ages, tells where changes lie.
    """
    intervals = list(pairwise((0.0, *ages)))
    seen = [_seen(projects, *interval) for interval in intervals]
    rates = [_PRIOR_CHANGED / (_PRIOR_CHANGED + _PRIOR_UNCHANGED)] * len(intervals)
    for _ in range(_STEPS):
        changed = [
            sum(weight * _share(changes, at, intervals, rates) for weight, changes in found)
            for at, (_, found) in enumerate(seen)
        ]
        rates = [
            (_PRIOR_CHANGED + number) / (_PRIOR_CHANGED + _PRIOR_UNCHANGED + total)
            for number, (total, _) in zip(changed, seen, strict=True)
        ]
    return dict(zip(ages, rates, strict=True))


def _seen(projects: Sequence[SettledProject], low: float, high: float) -> tuple[float, list[tuple[float, _Changes]]]:
    """Return the weight of the projects that are known in an interval, and those that may have changed in it."""
    # Times are the database's, to the millisecond or finer; a check is never made early.
    known = [each for each in projects if each.seen_until >= high or each.changed(low, high)]
    weights = [recency_weight(newer) for newer in range(len(known))]
    changed = [
        (weight, tuple(change for change in each.changes if _overlap(change, (low, high))))
        for weight, each in zip(weights, known, strict=True)
        if each.changed(low, high)
    ]
    return sum(weights), changed


def _share(changes: _Changes, at: int, intervals: Sequence[tuple[float, float]], rates: Sequence[float]) -> float:
    """Return the probability that one of a project's changes came in an interval, given the rates."""
    unchanged = 1.0
    for change in changes:
        possible = sum(rate for interval, rate in zip(intervals, rates, strict=True) if _overlap(change, interval))
        unchanged *= 1 - rates[at] / possible
    return 1 - unchanged


def _overlap(change: tuple[float, float], interval: tuple[float, float]) -> bool:
    return change[0] < interval[1] and change[1] > interval[0]


def ages_to_check(ages: Sequence[float], rates: SettlingRates | None, project_id: str) -> Sequence[float]:
    """Return the ages at which to check a project: all of them before there is data, and always the last one."""
    if not rates or crc32(project_id.encode()) % _SAMPLED == 0:
        return ages
    kept = []
    chance = 0.0
    for age in ages[:-1]:
        chance += rates.get(age, 1.0)
        if chance >= _WORTH:
            kept.append(age)
            chance = 0.0
    return [*kept, *ages[-1:]]
