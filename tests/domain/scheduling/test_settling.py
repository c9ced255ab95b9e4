"""Which checks after the end are made: learned, sampled, and the last one always."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import PLAN, START, after, project
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.schedule import settle_gap
from worker.domain.scheduling.settling import SettledProject, ages_to_check, estimate_rates

AGES = tuple(accumulate(PLAN.settle_gaps))
QUIET = estimate_rates(AGES, [SettledProject(AGES[-1])] * 400)
LATE = estimate_rates(AGES, [SettledProject(AGES[-1], ((30, 150),)), *[SettledProject(AGES[-1])] * 9] * 10)


def ages(rates: dict[float, float], *, of: int = 1000) -> list[tuple[float, ...]]:
    return [tuple(ages_to_check(AGES, rates, f"project-{number}")) for number in range(of)]


def test_a_new_type_is_checked_at_all_ages() -> None:
    assert set(ages(estimate_rates(AGES, []))) == {AGES}
    assert AGES[-1:] not in ages(estimate_rates(AGES, [SettledProject(AGES[-1])] * 20))


def test_where_nothing_changes_the_last_check_remains_and_a_sample_of_the_others() -> None:
    chosen = ages(QUIET)
    assert set(chosen) == {AGES, AGES[-1:]}
    assert 20 < chosen.count(AGES) < 90
    assert chosen == ages(QUIET)


def test_checks_stay_where_changes_were_seen() -> None:
    assert set(ages(LATE)) == {AGES, (AGES[1], AGES[-1])}


def test_a_change_that_was_seen_late_is_shared_among_the_intervals_where_it_may_have_come() -> None:
    seen_late = [SettledProject(AGES[-1], ((0, AGES[-1]),)), *[SettledProject(AGES[-1])] * 9] * 10
    rates = estimate_rates(AGES, seen_late)
    assert sum(rates.values()) == pytest.approx(0.1, abs=0.03)
    assert set(ages(rates)) == {AGES, (AGES[1], AGES[-1])}


def test_projects_checked_at_all_ages_tell_where_changes_seen_late_have_come() -> None:
    exact = SettledProject(AGES[-1], ((AGES[0], AGES[1]),))
    seen_late = SettledProject(AGES[-1], ((0, AGES[-1]),))
    rates = estimate_rates(AGES, [exact, *[seen_late] * 9, *[SettledProject(AGES[-1])] * 90] * 5)
    assert all(rates[AGES[1]] > 3 * rates[age] for age in (AGES[0], *AGES[2:]))


def test_what_was_not_checked_at_an_age_says_nothing_about_it() -> None:
    unseen = estimate_rates(AGES, [SettledProject(0.0)] * 500)
    assert set(unseen.values()) == {0.05}


def test_a_change_of_the_vendors_ways_is_noticed() -> None:
    """One in four changes now, and only one project in twenty is checked early."""
    new = [SettledProject(AGES[0], ((0, AGES[0]),)), *[SettledProject(AGES[0])] * 3] * 25
    old = [SettledProject(AGES[-1])] * 500
    assert ages_to_check(AGES, estimate_rates(AGES, new + old), "project-1")[0] == AGES[0]


learned = st.lists(st.floats(0, 1), min_size=4, max_size=4).map(lambda rates: dict(zip(AGES, rates, strict=True)))


@given(learned, st.text(min_size=1), st.floats(0, AGES[-1] - 1))
def test_whatever_was_learned_a_project_settles_at_the_last_age(
    rates: dict[float, float], id_: str, age: float
) -> None:
    plan = replace(PLAN, durations=Durations(settling={("video", "", "complete"): rates}))
    finished = replace(project(status="complete", credits_charged=1, settling_since=START), project_id=id_)
    assert settle_gap(plan, finished, after(seconds=age)) is not None
    assert settle_gap(plan, finished, after(seconds=AGES[-1])) is None


def test_outstanding_refunds_and_later_changes_are_checked_at_all_ages() -> None:
    quiet = {("video", "", status): QUIET for status in ("complete", "error")}
    plan = replace(PLAN, durations=Durations(settling=quiet))
    start = replace(project(status="error", credits_charged=0, settling_since=START), project_id="project-1")
    assert settle_gap(plan, start, START) == AGES[-1]
    assert settle_gap(plan, replace(start, credits_charged=7), START) == AGES[0]
    assert settle_gap(plan, replace(start, status="complete", closing_count=1), START) == AGES[0]
