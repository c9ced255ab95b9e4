"""The distribution of render durations, estimated from earlier renders, and the next check that follows from it.

A duration is known only as an interval: from the last check that saw the render running to the first that did not. What
is learned is the hazard, the probability per second that a running render ends now, over ages on a logarithmic
scale. Sources: Turnbull 1976 (self-consistent estimates from censored observations), Silverman et al. 1990 (smoothing
in each step); Barlow, Hunter and Proschan 1963, Keller 1974 (when to inspect what fails at an unknown time). All
times are seconds, ages count from the start of the render.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final

# From half a second to more than a day; each interval of ages is 10 % longer than the one before.
EDGES: Final = (0.0, *(0.5 * 1.1**step for step in range(132)))
_WIDTHS: Final = tuple(high - low for low, high in pairwise(EDGES))
# The hazard assumed without any data: h = 1 / (2 age), the older the render, the longer it may still take.
_YOUNGEST: Final = 3.0
# The number of finished renders that count. Weights halve every 250 renders, so that changes of the
# vendor's machines show soon.
REMEMBERED: Final = 500
_HALF_LIFE: Final = 250.0
# The first guess counts as much as this many renders.
_PRIOR_WEIGHT: Final = 1.0
_STEPS: Final = 12
_KERNEL: Final = (1.0, 2.0, 1.0)
# The spread of the lognormal distribution that is assumed around a published median; a wide one.
_GUESSED_SPREAD: Final = 0.8
# Shares below this are rounding errors, not to divide by.
_NOISE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class CensoredDuration:
    """What is known about one render: it still ran at age ``low`` and had ended at ``high`` (infinite: still running).

    ``weight`` is 1 for a recent one. ``entered`` is the age from which it was observed.
    """

    low: float
    high: float = math.inf
    weight: float = 1.0
    entered: float = 0.0


def recency_weight(newer: int) -> float:
    """Return the weight of a finished render that ``newer`` others have followed."""
    return float(0.5 ** (newer / _HALF_LIFE))


@dataclass(frozen=True)
class Hazard:
    """The hazard of a type: its integral over each interval between EDGES."""

    steps: tuple[float, ...]

    @cached_property
    def _sums(self) -> tuple[float, ...]:
        return (0.0, *accumulate(self.steps))

    def integral(self, age: float) -> float:
        """Return the hazard integrated from 0 to an age: minus the logarithm of the share that takes longer."""
        span = bisect_right(EDGES, age) - 1
        if span >= len(self.steps):
            return self._sums[-1] + 0.5 * math.log(age / EDGES[-1])
        return self._sums[span] + self.steps[span] * (age - EDGES[span]) / _WIDTHS[span]

    def age_at(self, integral: float) -> float:
        """Return the age at which the integrated hazard reaches a value: the inverse of ``integral``."""
        span = bisect_right(self._sums, integral) - 1
        if span >= len(self.steps):
            return EDGES[-1] * math.exp(2 * (integral - self._sums[-1]))
        return EDGES[span] + (integral - self._sums[span]) / self.steps[span] * _WIDTHS[span]

    @cached_property
    def median(self) -> float:
        """The age at which half of the renders have ended, in seconds."""
        return self.age_at(math.log(2))

    def remaining(self, age: float, share: float) -> float:
        """Return the seconds within which this share of the renders that run at an age end."""
        return self.age_at(self.integral(age) - math.log1p(-share)) - age

    def from_age(self, age: float, until: float = math.inf) -> Iterator[tuple[float, float, float]]:
        """Yield the intervals from an age on: start, end, and the hazard per second."""
        for span in range(min(bisect_right(EDGES, age), len(self.steps)) - 1, len(self.steps)):
            start, end = max(age, EDGES[span]), min(until, EDGES[span + 1])
            if start >= end:
                return
            yield start, end, self.steps[span] / _WIDTHS[span]

    def odds(self, age: float, gap: float) -> float:
        """Return the odds that a render still running at ``age`` has ended by ``age + gap``."""
        return math.expm1(min(self.integral(age + gap) - self.integral(age), 50.0))


def unknown() -> Hazard:
    """Return the hazard assumed for a type without any data."""
    return Hazard(tuple(width / (2 * max((low + high) / 2, _YOUNGEST)) for (low, high), width in _spans()))


def guess(median: float) -> Hazard:
    """Return the first guess for a type whose median is published: lognormal, with a wide spread."""
    left = [_survival(math.log(edge / median) / _GUESSED_SPREAD) if edge else 1.0 for edge in EDGES]
    general = unknown().steps
    # A render that takes far longer than the guess allows disproves it.
    steps = (
        math.log(before / after) if after > 0.01 else step  # noqa: PLR2004  1 %
        for (before, after), step in zip(pairwise(left), general, strict=True)
    )
    return Hazard(tuple(steps))


def estimate_hazard(renders: Sequence[CensoredDuration], first_guess: Hazard) -> Hazard:
    """Estimate the hazard from renders, with a first guess that counts as much as one render."""
    hazard = first_guess
    at_risk = [0.0] * len(_WIDTHS)
    for seen in renders:
        _follow(seen, at_risk)
    ended = [seen for seen in renders if math.isfinite(seen.high)]
    for _ in range(_STEPS if renders else 0):
        hazard = _improve(hazard, ended, at_risk, first_guess)
    return hazard


def next_gap(hazard: Hazard, age: float, price: float, least: float, greatest: float) -> float:
    """Return the seconds until the next check of a render that runs at this age.

    Each second of waiting costs the odds that the render has already ended. It saves the cost of checking
    while the render runs, which is about sqrt(2 price hazard) a second with Keller's gaps of sqrt(2 price /
    hazard) from then on. The next check comes when the odds reach that, with the hazard at that age. So it
    waits while the hazard rises, and checks soon where many renders have ended and few more are about to.
    """
    grown = 0.0
    for start, end, rate in hazard.from_age(age, age + greatest):
        enough = math.log1p(math.sqrt(2 * price * rate))
        if grown + rate * (end - start) > enough:
            rest = (enough - grown) / rate if grown < enough else 0.0
            return max(least, start - age + rest)
        grown += rate * (end - start)
    return greatest


def expected_delay(hazard: Hazard, age: float, gap: float) -> float:
    """Return the mean detection delay of a render that was running at ``age`` and ended within ``gap``."""
    alive, late = 1.0, 0.0
    for start, end, rate in hazard.from_age(age, age + gap):
        width = end - start
        ended = -math.expm1(-rate * width)
        late += width - alive * (ended / rate if ended > _NOISE else width)
        alive *= 1 - ended
    return late / (1 - alive) if 1 - alive > _NOISE else gap / 2


def expected_delay_saved(hazard: Hazard, age: float, gap: float) -> float:
    """Return the seconds of delay that a check saves if it comes ``gap`` after the last one, made at this age."""
    return hazard.odds(age, gap) * gap / 2


def _spans() -> Iterator[tuple[tuple[float, float], float]]:
    return zip(pairwise(EDGES), _WIDTHS, strict=True)


def _survival(deviations: float) -> float:
    return 0.5 * math.erfc(deviations / math.sqrt(2))


def _improve(
    hazard: Hazard, renders: Iterable[CensoredDuration], followed: Sequence[float], first_guess: Hazard
) -> Hazard:
    ended = [0.0] * len(_WIDTHS)
    at_risk = list(followed)
    for seen in renders:
        _share_out(hazard, seen, ended, at_risk)
    steps = (
        (_PRIOR_WEIGHT * guessed + ends) / (_PRIOR_WEIGHT + number)
        for guessed, ends, number in zip(first_guess.steps, _smooth(ended), _smooth(at_risk), strict=True)
    )
    return Hazard(tuple(steps))


def _follow(seen: CensoredDuration, at_risk: list[float]) -> None:
    """Add one render to the intervals in which it was observed running."""
    for age, weight in ((_last_running(seen), seen.weight), (min(seen.entered, EDGES[-1]), -seen.weight)):
        span = min(bisect_right(EDGES, age), len(_WIDTHS)) - 1
        for before in range(span):
            at_risk[before] += weight
        at_risk[span] += weight * (age - EDGES[span]) / _WIDTHS[span]


def _last_running(seen: CensoredDuration) -> float:
    return min(max(seen.low, seen.entered), EDGES[-1])


def _share_out(hazard: Hazard, seen: CensoredDuration, ended: list[float], at_risk: list[float]) -> None:
    """Distribute the end of one render over the intervals in which it may lie."""
    low = _last_running(seen)
    first = min(bisect_right(EDGES, low), len(_WIDTHS)) - 1
    high = min(max(seen.high, low + 0.001), EDGES[-1])
    start = hazard.integral(low)
    alive = 1.0
    whole = -math.expm1(start - hazard.integral(high))
    for span in range(first, len(_WIDTHS)):
        left, right = max(EDGES[span], low), min(EDGES[span + 1], high)
        if left >= right:
            break
        after = math.exp(start - hazard.integral(right))
        here = (alive - after) / whole if whole > _NOISE else (right - left) / (high - low)
        later = max(0.0, (after - 1 + whole) / whole) if whole > _NOISE else (high - right) / (high - low)
        ended[span] += seen.weight * here
        at_risk[span] += seen.weight * (later + here / 2) * (right - left) / _WIDTHS[span]
        alive = after


def _smooth(values: Sequence[float]) -> list[float]:
    reach = len(_KERNEL) // 2
    padded = [values[0]] * reach + list(values) + [values[-1]] * reach
    total = sum(_KERNEL)
    return [
        sum(weight * padded[at + offset] for offset, weight in enumerate(_KERNEL)) / total for at in range(len(values))
    ]
