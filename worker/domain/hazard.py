"""How long renders take, learned from what was seen of earlier ones, and the next check that follows from it.

A duration is never seen exactly: it lies between the last answer that said "running" and the first that did not. What
is learned is the hazard, the chance per second that a render which still runs ends now, over ages on a logarithmic
scale. Sources: Turnbull 1976 (self-consistent estimates from censored observations), Silverman et al. 1990 (smoothing
in each step of it); Barlow, Hunter and Proschan 1963, Keller 1974 (when to inspect what fails at an unknown time). All
times are seconds, all ages count from the start of the render.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final

# From half a second to more than a day; each span of ages is 10 % longer than the one before.
EDGES: Final = (0.0, *(0.5 * 1.1**step for step in range(132)))
_WIDTHS: Final = tuple(high - low for low, high in pairwise(EDGES))
# What nothing is known about: the older, the longer it may still take, h = 1 / (2 age), but nothing within no time.
_YOUNGEST: Final = 3.0
# Of so many finished renders something is learned, and of every 250 older ones half as much, so that a change of the
# vendor's machines is followed soon.
REMEMBERED: Final = 500
_HALF_LIFE: Final = 250.0
# So many renders' worth is what was assumed before any was seen.
_PRIOR_WEIGHT: Final = 1.0
_STEPS: Final = 12
_KERNEL: Final = (1.0, 2.0, 1.0)
# A first guess from a published median: durations are taken to be lognormal with this spread, which is a wide one.
_GUESSED_SPREAD: Final = 0.8
# Shares below this are rounding noise, which must not be divided by.
_NOISE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one render: it still ran at age ``low``, and had ended at ``high`` (infinite: it still runs).

    ``weight`` is how much it counts, 1 for a fresh one.
    """

    low: float
    high: float = math.inf
    weight: float = 1.0


def freshness(newer: int) -> float:
    """Return how much a finished render counts, after which so many others have finished."""
    return float(0.5 ** (newer / _HALF_LIFE))


@dataclass(frozen=True)
class Hazard:
    """How likely a running render ends: for each span between EDGES, the integral of the hazard over it."""

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

    def from_age(self, age: float, until: float = math.inf) -> Iterator[tuple[float, float, float]]:
        """Yield the spans of ages from an age on: start and end of each, and the hazard within it, per second."""
        for span in range(min(bisect_right(EDGES, age), len(self.steps)) - 1, len(self.steps)):
            start, end = max(age, EDGES[span]), min(until, EDGES[span + 1])
            if start >= end:
                return
            yield start, end, self.steps[span] / _WIDTHS[span]

    def odds(self, age: float, gap: float) -> float:
        """Return the odds that what ran at this age has ended ``gap`` later."""
        return math.expm1(min(self.integral(age + gap) - self.integral(age), 50.0))


def unknown() -> Hazard:
    """Return what is assumed of a type that nothing is known about."""
    return Hazard(tuple(width / (2 * max((low + high) / 2, _YOUNGEST)) for (low, high), width in _spans()))


def guess(median: float) -> Hazard:
    """Return the first guess for a type whose median is published: lognormal, with a wide spread."""
    left = [_survival(math.log(edge / median) / _GUESSED_SPREAD) if edge else 1.0 for edge in EDGES]
    general = unknown().steps
    # Whoever takes much longer than the guess says shows that the guess is wrong.
    steps = (
        math.log(before / after) if after > 0.01 else step  # noqa: PLR2004  1 %
        for (before, after), step in zip(pairwise(left), general, strict=True)
    )
    return Hazard(tuple(steps))


def learn(renders: Sequence[Seen], first_guess: Hazard) -> Hazard:
    """Return the hazard that explains what was seen, beside a first guess that counts as much as one render."""
    hazard = first_guess
    for _ in range(_STEPS if renders else 0):
        hazard = _improve(hazard, renders, first_guess)
    return hazard


def next_gap(hazard: Hazard, age: float, price: float, least: float, greatest: float) -> float:
    """Return the seconds until the next check of what runs at this age.

    Waiting longer costs the odds that the render has ended already, second by second. It saves what checking costs
    while the render runs on, which is about sqrt(2 price hazard) a second if one checks by Keller's gaps sqrt(2 price /
    hazard) from there on. The next check comes where the odds have grown to that, with the hazard at that age. So it
    waits for a rising hazard to unfold, and checks at once where many have ended and few more are about to.
    """
    grown = 0.0
    for start, end, rate in hazard.from_age(age, age + greatest):
        enough = math.log1p(math.sqrt(2 * price * rate))
        if grown + rate * (end - start) > enough:
            rest = (enough - grown) / rate if grown < enough else 0.0
            return max(least, start - age + rest)
        grown += rate * (end - start)
    return greatest


def lateness(hazard: Hazard, age: float, gap: float) -> float:
    """Return for how many seconds, on average, a render had ended that ran at this age and had ended ``gap`` later."""
    alive, late = 1.0, 0.0
    for start, end, rate in hazard.from_age(age, age + gap):
        width = end - start
        ended = -math.expm1(-rate * width)
        late += width - alive * (ended / rate if ended > _NOISE else width)
        alive *= 1 - ended
    return late / (1 - alive) if 1 - alive > _NOISE else gap / 2


def benefit(hazard: Hazard, age: float, gap: float) -> float:
    """Return the seconds of delay that a check saves which comes ``gap`` after the last one, made at this age."""
    return hazard.odds(age, gap) * gap / 2


def _spans() -> Iterator[tuple[tuple[float, float], float]]:
    return zip(pairwise(EDGES), _WIDTHS, strict=True)


def _survival(deviations: float) -> float:
    return 0.5 * math.erfc(deviations / math.sqrt(2))


def _improve(hazard: Hazard, renders: Iterable[Seen], first_guess: Hazard) -> Hazard:
    ended = [0.0] * len(_WIDTHS)
    at_risk = [0.0] * len(_WIDTHS)
    for seen in renders:
        _share_out(hazard, seen, ended, at_risk)
    steps = (
        (_PRIOR_WEIGHT * guessed + ends) / (_PRIOR_WEIGHT + number)
        for guessed, ends, number in zip(first_guess.steps, _smooth(ended), _smooth(at_risk), strict=True)
    )
    return Hazard(tuple(steps))


def _share_out(hazard: Hazard, seen: Seen, ended: list[float], at_risk: list[float]) -> None:
    """Add one render: at risk in every span up to its end, which is shared out over where it can have been."""
    first = min(bisect_right(EDGES, seen.low), len(_WIDTHS)) - 1
    for span in range(first):
        at_risk[span] += seen.weight
    low = min(seen.low, EDGES[-1])
    at_risk[first] += seen.weight * (low - EDGES[first]) / _WIDTHS[first]
    if math.isinf(seen.high):
        return
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
