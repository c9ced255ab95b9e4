"""What could be reached at best: the optimal schedule when a type's distribution is known, by dynamic programming."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

from benchmarks.polling.durations import Type

POINTS = 3000
LEAST, GREATEST = 0.5, 120.0


@dataclass(frozen=True)
class Result:
    """What a schedule costs on average: requests for each project, and seconds from its end to our seeing it."""

    requests: float
    delay: float


class KnownType:
    """A type's distribution on a grid of ages, and the best schedules on it."""

    def __init__(self, kind: Type) -> None:
        """Lay the grid as far as all but one in ten thousand of the renders go."""
        end = 1.0
        while kind.ended(end) < 0.9999 and end < 50_000:
            end *= 1.05
        # Half of the points in the first tenth, where short gaps are needed.
        self.ages = np.unique(np.concatenate([np.linspace(0, end / 10, POINTS // 2), np.linspace(0, end, POINTS // 2)]))
        self.ended = np.array([kind.ended(age) for age in self.ages])
        self.ended[-1] = 1.0
        middles = (self.ages[1:] + self.ages[:-1]) / 2
        self.moment = np.concatenate([[0.0], np.cumsum(np.diff(self.ended) * middles)])

    @lru_cache(maxsize=1000)  # noqa: B019  lives as long as the run
    def best(self, price: float) -> Result:
        """Return what the best schedule costs when a request is worth ``price`` seconds of delay."""
        return self._follow(self._path(price))

    def _path(self, price: float) -> list[int]:
        ages, ended, moment = self.ages, self.ended, self.moment
        cost = np.zeros(len(ages))
        choice = np.zeros(len(ages), dtype=int)
        first = np.minimum(np.searchsorted(ages, ages + LEAST), len(ages) - 1)
        last = np.maximum(np.searchsorted(ages, ages + GREATEST, side="right"), first + 1)
        for at in range(len(ages) - 2, -1, -1):
            window = slice(first[at], last[at])
            costs = ages[window] * (ended[window] - ended[at]) - (moment[window] - moment[at]) + cost[window]
            best = int(np.argmin(costs))
            choice[at] = first[at] + best
            cost[at] = price * (1 - ended[at]) + costs[best]
        path = [0]
        while path[-1] < len(ages) - 1:
            path.append(int(choice[path[-1]]))
        return path

    def _follow(self, path: Sequence[int]) -> Result:
        requests = sum(1 - self.ended[at] for at in path[:-1])
        delay = sum(
            self.ages[to] * (self.ended[to] - self.ended[at]) - (self.moment[to] - self.moment[at])
            for at, to in pairwise(path)
        )
        return Result(float(requests), float(delay))

    def schedule(self, price: float) -> list[float]:
        """Return the ages of the best checks."""
        return [float(self.ages[at]) for at in self._path(price)[1:]]


@cache
def known_type(kind: Type) -> KnownType:
    """Return what is known of a type; made once."""
    return KnownType(kind)


def at_delay(known: Sequence[KnownType], delay: float) -> Result:
    """Return the least requests at a mean delay over a mix of equally many of each type.

    Each price gives a corner of the frontier; between two corners one goes by using each for a share of the projects.
    """
    low, high = 0.001, 10_000.0
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if mean([one.best(middle) for one in known]).delay > delay else (middle, high)
    fast, slow = (mean([one.best(price) for one in known]) for price in (low, high))
    share = 0.0 if slow.delay == fast.delay else (delay - fast.delay) / (slow.delay - fast.delay)
    return Result(fast.requests + share * (slow.requests - fast.requests), delay)


def mean(results: Sequence[Result]) -> Result:
    """Return the mean of results."""
    return Result(sum(one.requests for one in results) / len(results), sum(one.delay for one in results) / len(results))
