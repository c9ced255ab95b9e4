"""The usual ways to decide when to ask again, each a list of ages from the start of a render."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.polling.durations import Type
from benchmarks.polling.optimum import KnownType

DRAWS = 3000
Policy = Callable[[Random], Sequence[float]]
_END = 60_000.0


@dataclass(frozen=True)
class Figures:
    """What a policy comes to: mean requests for a project, and the delay's mean and percentiles in seconds."""

    requests: float
    delay: float
    p95: float
    p99: float


def figures(requests: Sequence[float], delays: Sequence[float]) -> Figures:
    """Sum up projects."""
    ordered = sorted(delays)
    at = len(ordered) - 1
    return Figures(
        sum(requests) / len(requests), sum(delays) / len(delays), ordered[int(at * 0.95)], ordered[int(at * 0.99)]
    )


def fixed(interval: float) -> Policy:
    """Ask each ``interval`` seconds from the start of the render."""
    ages = [interval * number for number in range(1, int(_END / interval) + 2)]
    return lambda _: ages


def scanning(interval: float) -> Policy:
    """Ask for everything that runs each ``interval`` seconds, whenever it started."""
    ages = fixed(interval)

    def policy(random: Random) -> Sequence[float]:
        phase = random.uniform(0, interval)
        return [age - phase for age in ages(random)]

    return policy


def backing_off(factor: float, first: float, greatest: float) -> Policy:
    """Let each gap be ``factor`` times the one before, up to the greatest."""
    ages, gap = [first], first
    while ages[-1] < _END:
        gap = min(gap * factor, greatest)
        ages.append(ages[-1] + gap)
    return lambda _: ages


def tried(policy: Policy, types: Sequence[Type], seed: int = 1) -> Figures:
    """Try a policy on equally many projects of each type."""
    random = Random(seed)
    requests, delays = [], []
    for kind in types:
        for _ in range(DRAWS):
            duration, ages = kind.draw(random), policy(random)
            at = bisect_left(ages, duration)
            requests.append(at + 1.0)
            delays.append(ages[at] - duration)
    return figures(requests, delays)


def best(known: Sequence[KnownType], types: Sequence[Type], price: float) -> Figures:
    """Try the best schedules for known distributions at a price."""
    requests, delays = [], []
    for kind, one in zip(types, known, strict=True):
        random = Random(1)
        ages = [*one.schedule(price), *(one.ages[-1] * 1.1**step for step in range(1, 100))]
        for _ in range(DRAWS):
            duration = kind.draw(random)
            at = bisect_left(ages, duration)
            requests.append(at + 1.0)
            delays.append(float(ages[at] - duration))
    return figures(requests, delays)


def with_delay(make: Callable[[float], Policy], types: Sequence[Type], delay: float) -> Figures:
    """Return the figures of the policy of a family, by its scale, whose mean delay is the given one."""
    low, high = 0.01, 100.0
    while high / low > 1.005:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if tried(make(middle), types).delay > delay else (middle, high)
    return tried(make(low), types)
