"""Learned durations as curves: the share of renders still running at each age."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.domain.scheduling.durations import ANY_TYPE, Durations
from worker.domain.scheduling.hazard import EDGES, Hazard, next_gap
from worker.domain.scheduling.pricing import first_price
from worker.settings import Settings

_MOST: Final = 30
_POINTS: Final = 60


@dataclass(frozen=True, slots=True)
class Curve:
    """One type. ``line`` is the share still running over the age; ``quantiles`` are ages in seconds."""

    kind: str
    type: str
    learned_from: int
    line: str
    longest: float
    quantiles: Mapping[str, float | None]
    first_gaps: tuple[float, ...]


def curves(learned: Durations, counts: Mapping[tuple[str, str], int], settings: Settings) -> list[Curve]:
    """Return the curves of the types with the most data."""
    wanted = sorted(counts, key=lambda key: (key[1] == ANY_TYPE, -counts[key], key))[:_MOST]
    return [_curve(key, learned.learned[key], counts[key], settings) for key in wanted if key in learned.learned]


def _curve(key: tuple[str, str], hazard: Hazard, count: int, settings: Settings) -> Curve:
    quantiles = {"half": _age(hazard, 0.5), "90 %": _age(hazard, 0.1), "99 %": _age(hazard, 0.01)}
    longest = (quantiles["99 %"] or EDGES[-1]) * 1.1
    ages = [longest * step / _POINTS for step in range(_POINTS + 1)]
    points = [(100 * age / longest, 100 - 100 * math.exp(-hazard.integral(age))) for age in ages]
    return Curve(
        kind=key[0],
        type=key[1] or "all types together",
        learned_from=count,
        line="M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in points),
        longest=longest,
        quantiles=quantiles,
        first_gaps=_checks(hazard, settings),
    )


def _age(hazard: Hazard, share: float) -> float | None:
    """Return the age at which only this share is still running."""
    target = -math.log(share)
    return next((edge for edge in EDGES if hazard.integral(edge) >= target), None)


def _checks(hazard: Hazard, settings: Settings) -> tuple[float, ...]:
    """Return the ages of the first six checks, at the first price for this type."""
    price = first_price(settings.target_detection_delay, hazard.median)
    age, ages = 0.0, []
    for _ in range(6):
        age += next_gap(hazard, age, price, settings.least_gap, settings.greatest_gap)
        ages.append(age)
    return tuple(ages)
