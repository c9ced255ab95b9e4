"""Durations are learned without bias, however many renders are in flight beside those that have finished."""

import math
from random import Random

import pytest

from worker.domain.scheduling.cohorts import ObservedRender, weigh
from worker.domain.scheduling.hazard import estimate_hazard, unknown

MEDIAN = 300.0


def burst(every: float, now: float, remembered: int) -> tuple[list[ObservedRender], float]:
    """A steady stream of renders, as it is known now: the latest ends, and what runs."""
    random = Random(5)  # noqa: S311  the same lives each time
    renders = [(start * every, MEDIAN * math.exp(0.4 * random.gauss(0, 1))) for start in range(int(now / every))]
    finished = sorted((start + took, start, took) for start, took in renders if start + took <= now)[-remembered:]
    running = [ObservedRender(start, now - start) for start, took in renders if start + took > now]
    ends = [ObservedRender(start, max(0.0, took - 5), took + 5) for _, start, took in finished]
    return [*ends, *running], finished[0][0] if len(finished) == remembered else -math.inf


@pytest.mark.parametrize(("every", "now"), [(0.6, 6000.0), (0.6, 420.0), (6.0, 6000.0)], ids=["many", "cold", "few"])
def test_the_median_is_learned_beside_many_in_flight(every: float, now: float) -> None:
    seen, since = burst(every, now, 500)
    hazard = estimate_hazard(weigh(seen, since), unknown())
    assert math.exp(-hazard.integral(MEDIAN)) == pytest.approx(0.5, abs=0.07)


def test_what_started_later_counts_more_whether_it_runs_or_not() -> None:
    seen = [*(ObservedRender(float(start), 10, 20) for start in range(250)), ObservedRender(-1.0, 300)]
    weights = [each.weight for each in weigh(seen)]
    assert weights[-2] == 1
    assert weights[-1] == pytest.approx(0.5)
    assert weights[:-1] == sorted(weights[:-1])
