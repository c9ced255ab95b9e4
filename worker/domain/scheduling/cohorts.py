"""The weight of each render when durations are learned, by its start, whether or not it has finished.

Of renders that started together, short ones finish first. Weighting by the end would give the many that still run full
weight against the few that have finished, and overestimate durations.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from worker.domain.scheduling.hazard import CensoredDuration, recency_weight


@dataclass(frozen=True, slots=True)
class ObservedRender:
    """A render that started at ``start`` (seconds on any clock), still ran at age ``low`` and had ended at ``high``.

    ``high`` is infinite while it runs.
    """

    start: float
    low: float
    high: float = math.inf


def weigh(renders: Sequence[ObservedRender], since: float = -math.inf) -> list[CensoredDuration]:
    """Return the renders with their weights: halved for every 250 finished ones that started later.

    Renders that finished before ``since`` are not included, so one that started earlier is observed only from then
    on (left truncation): it says nothing about earlier ages.
    """
    starts = sorted(each.start for each in renders if math.isfinite(each.high))
    return [
        CensoredDuration(
            each.low,
            each.high,
            recency_weight(len(starts) - bisect_right(starts, each.start)),
            max(0.0, since - each.start),
        )
        for each in renders
    ]
