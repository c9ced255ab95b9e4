import math
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.scheduling.hazard import guess, next_gap, unknown
from worker.domain.scheduling.pricing import CEILING, GREATEST, LEAST, first_price, steer
from worker.domain.scheduling.schedule import Plan, price_of


def test_an_end_found_on_target_moves_nothing() -> None:
    assert steer(2.0, 5.0, 5.0) == pytest.approx(2.0)


def test_by_hand() -> None:
    assert steer(2.0, 5.0, 10.0) == pytest.approx(2.0 * math.exp(-0.05))
    assert steer(2.0, 5.0, 0.0) == pytest.approx(2.0 * math.exp(0.05))


@given(st.floats(LEAST, GREATEST), st.floats(0.5, 600), st.lists(st.floats(0, 10**6), max_size=50))
def test_the_price_keeps_its_bounds(price: float, target: float, delays: list[float]) -> None:
    for delay in delays:
        price = steer(price, target, delay)
    assert LEAST <= price <= GREATEST
    assert LEAST <= first_price(target) <= GREATEST


def settled(share: float, *, price: float = 1.0, target: float = 5.0) -> float:
    """The planned delay after many ends, where it grows with the root of the price, as it does at a constant hazard."""
    hinted = 0.0
    for _ in range(3000):
        hinted += share
        brought = hinted >= 1
        hinted -= brought
        price = steer(price, target, 5 * math.sqrt(price), hinted=brought)
    return 5 * math.sqrt(price)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_more_hints_come_the_rarer_are_the_checks_and_the_mean_of_all_keeps_to_the_target(share: float) -> None:
    planned = settled(share)
    assert planned == pytest.approx(5.0 / (share / CEILING + 1 - share), rel=0.1)
    assert (1 - share) * planned <= 5.0 * 1.05
    assert planned <= 5.0 * CEILING * 1.05


def test_checks_are_frequent_again_within_thirty_ends_when_hints_stop() -> None:
    price = 23.5**2 / 25  # where nine tenths of hints lead
    for _ in range(30):
        price = steer(price, 5.0, 5 * math.sqrt(price))
    assert 5 * math.sqrt(price) < 8


@pytest.mark.parametrize("median", [20, 60, 300, 772])
def test_the_first_price_meets_the_target_whatever_the_median(median: float) -> None:
    known, plan = guess(median), Plan()
    random = Random(1)  # noqa: S311  durations that can be repeated
    price, delays = price_of(plan, known), []
    for _ in range(300):
        duration, age = median * math.exp(random.gauss(0, 0.4)), 0.0
        while age < duration:
            age += next_gap(known, age, price, plan.least_gap, plan.greatest_gap)
        delays.append(age - duration)
    assert fmean(delays) == pytest.approx(plan.target, rel=0.35)


def test_an_account_that_has_a_price_keeps_it_and_unknown_types_count_as_a_minute() -> None:
    assert price_of(Plan(price=2.0), guess(300)) == 2.0
    assert price_of(Plan(), unknown()) == first_price(5.0, 60) == 1.25
