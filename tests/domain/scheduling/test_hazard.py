"""Learning durations and planning checks, against what can be worked out by hand."""

import math
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.scheduling.hazard import (
    EDGES,
    CensoredDuration,
    Hazard,
    estimate_hazard,
    expected_delay,
    expected_delay_saved,
    guess,
    next_gap,
    recency_weight,
    unknown,
)

AGES = st.floats(0, 100_000)


def constant(rate: float) -> Hazard:
    return Hazard(tuple(rate * (high - low) for low, high in pairwise(EDGES)))


def median(hazard: Hazard) -> float:
    return next(age for age in (0.5 * 1.02**step for step in range(700)) if hazard.integral(age) >= math.log(2))


def test_a_constant_hazard_integrates_to_rate_times_age() -> None:
    assert constant(0.01).integral(250) == pytest.approx(2.5)
    assert constant(0.01).odds(1000, 50) == pytest.approx(math.exp(0.5) - 1)


def test_what_nothing_is_known_about_ends_at_half_over_age_per_second() -> None:
    known = unknown()
    assert known.integral(2000) - known.integral(500) == pytest.approx(0.5 * math.log(4), rel=0.02)
    assert known.integral(10**7) - known.integral(10**6) == pytest.approx(0.5 * math.log(10), rel=0.02)


def test_where_an_end_is_unlikely_the_gap_is_kellers() -> None:
    """sqrt(2 price / hazard): with 0.0001 per second and a price of 0.1 that is 44.7 seconds."""
    assert next_gap(constant(0.0001), 500, 0.1, 0.5, 120) == pytest.approx(math.sqrt(2 * 0.1 / 0.0001), rel=0.03)


def test_a_gap_by_hand() -> None:
    """At 0.05 per second the odds after 10 s are exp(0.5) - 1 = 0.6487, which is sqrt(2 x 4.208 x 0.05)."""
    assert next_gap(constant(0.05), 40, 4.208, 0.5, 120) == pytest.approx(10, rel=0.001)


def test_what_a_check_brings_by_hand() -> None:
    """At 0.05 per second, 10 s: (exp(0.5) - 1) x 10 / 2 = 3.24."""
    assert expected_delay_saved(constant(0.05), 40, 10) == pytest.approx(3.2436, abs=0.001)


def test_a_check_comes_at_once_where_many_have_ended_and_few_more_are_about_to() -> None:
    hazard = estimate_hazard(
        [CensoredDuration(at, at + 1) for at in range(20, 30)] * 20 + [CensoredDuration(300, 301)] * 200, unknown()
    )
    assert 29 < 15 + next_gap(hazard, 15, 10, 0.5, 120) < 36
    assert next_gap(hazard, 40, 10, 0.5, 120) == 120


def test_lateness_by_hand() -> None:
    """At 0.05 per second, 10 s: the share that has ended, 1 - exp(-0.05 u), summed over 10 s, is 2.131; of 0.3935."""
    assert expected_delay(constant(0.05), 40, 10) == pytest.approx(2.1306 / 0.39347, rel=0.001)
    assert expected_delay(constant(1e-15), 40, 10) == 5
    assert expected_delay(constant(0.05), 10**6, 10) == 5


@given(AGES, st.floats(0.001, 1000))
def test_an_end_lies_within_its_gap(age: float, gap: float) -> None:
    for hazard in (unknown(), guess(60), constant(1e-9), constant(100)):
        assert 0 <= expected_delay(hazard, age, gap) <= gap * 1.000001


@given(AGES, st.floats(0.001, 10_000))
def test_gaps_keep_their_bounds(age: float, price: float) -> None:
    for hazard in (unknown(), guess(60), constant(1e-9), constant(100)):
        assert 0.5 <= next_gap(hazard, age, price, 0.5, 120) <= 120


def test_a_guess_has_the_published_median_and_gives_way_when_it_is_wrong() -> None:
    assert median(guess(174)) == pytest.approx(174, rel=0.05)
    assert next_gap(guess(20), 2000, 1, 0.5, 120) > 30


def test_nothing_seen_teaches_nothing() -> None:
    assert estimate_hazard([], unknown()) == unknown()


def test_one_render_counts_as_much_as_the_first_guess() -> None:
    once = estimate_hazard([CensoredDuration(50, 60)], unknown())
    assert once.odds(50, 10) > 2 * unknown().odds(50, 10)
    assert once.odds(20, 10) < unknown().odds(20, 10)


def test_identical_durations_are_learned_sharply() -> None:
    hazard = estimate_hazard([CensoredDuration(60, 61)] * 100, unknown())
    assert median(hazard) == pytest.approx(60.5, rel=0.12)
    assert next_gap(hazard, 5, 1, 0.5, 120) > 25
    assert next_gap(hazard, 58, 1, 0.5, 120) < 5


def test_wide_intervals_are_shared_out_as_the_narrow_ones_suggest() -> None:
    narrow = [CensoredDuration(60, 62)] * 30
    hazard = estimate_hazard([*narrow, *[CensoredDuration(0, 200)] * 30], unknown())
    assert math.exp(-hazard.integral(45)) > 0.85
    assert math.exp(-hazard.integral(80)) < 0.25


def test_what_still_runs_makes_long_renders_likelier() -> None:
    ended = [CensoredDuration(20, 22)] * 20
    censored = estimate_hazard([*ended, *[CensoredDuration(300)] * 20], unknown())
    assert math.exp(-censored.integral(250)) == pytest.approx(0.5, abs=0.1)
    assert math.exp(-estimate_hazard(ended, unknown()).integral(250)) < 0.1


@pytest.mark.parametrize("true_median", [3.0, 20.0, 120.0, 600.0])
def test_a_lognormal_is_found_again(true_median: float) -> None:
    random = Random(4)  # noqa: S311  a trial
    seen = []
    for _ in range(300):
        duration = true_median * math.exp(0.4 * random.gauss(0, 1))
        low = max(0.0, duration - random.random() * true_median / 8)
        seen.append(CensoredDuration(low, low + true_median / 8))
    assert median(estimate_hazard(seen, unknown())) == pytest.approx(true_median, rel=0.08)


def test_a_heavy_tail_keeps_checks_apart_but_never_stops_them() -> None:
    random = Random(5)  # noqa: S311  a trial
    seen = [
        CensoredDuration(duration, duration * 1.05) for duration in (30 / (1 - random.random()) for _ in range(300))
    ]
    hazard = estimate_hazard(seen, unknown())
    gaps = [next_gap(hazard, age, 1, 0.5, 120) for age in (40, 400, 4000)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 20
    assert gaps[-1] <= 120


def test_old_renders_fade() -> None:
    assert recency_weight(0) == 1
    old_first = [
        *(CensoredDuration(20, 21, recency_weight(newer)) for newer in range(100, 600)),
        *(CensoredDuration(200, 205),) * 100,
    ]
    assert median(estimate_hazard(old_first, unknown())) < 200
    newer_world = [
        *(CensoredDuration(200, 205, recency_weight(newer)) for newer in range(300)),
        *(CensoredDuration(20, 21, recency_weight(newer)) for newer in range(300, 500)),
    ]
    assert median(estimate_hazard(newer_world, unknown())) > 150


@given(
    st.lists(
        st.builds(
            lambda low, wide, weight: CensoredDuration(low, low + wide, weight),
            st.floats(0, 1e6),
            st.sampled_from([0.0, 1e-9, 0.5, 40.0, 1e6, math.inf]),
            st.floats(0.001, 1),
        ),
        max_size=8,
    )
)
def test_whatever_is_seen_the_hazard_stays_a_hazard(seen: list[CensoredDuration]) -> None:
    hazard = estimate_hazard(seen, unknown())
    assert all(step >= 0 and math.isfinite(step) for step in hazard.steps)
    assert 0.5 <= next_gap(hazard, 30, 1, 0.5, 120) <= 120
