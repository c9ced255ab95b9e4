from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.schedule import Plan, running_gap, settle_gap

from .projects import PLAN, START, after, project

ages = st.floats(0, 10**7)


@given(ages)
def test_a_running_projects_gap_lies_between_the_least_and_the_greatest(age: float) -> None:
    assert PLAN.least_gap <= running_gap(PLAN, age) <= max(PLAN.greatest_gap, PLAN.stalled_gap)
    assert age >= PLAN.stalled_after or running_gap(PLAN, age) <= PLAN.greatest_gap


@given(st.lists(ages, min_size=2))
def test_gaps_grow_with_age(some: list[float]) -> None:
    assert all(one <= two for one, two in pairwise(running_gap(PLAN, age) for age in sorted(some)))


@pytest.mark.parametrize(("age", "gap"), [(0, 2), (20, 2), (100, 10), (600, 60), (3600, 60), (6 * 3600, 600)])
def test_a_gap_is_a_tenth_of_the_age(age: float, gap: float) -> None:
    assert running_gap(PLAN, age) == pytest.approx(gap)


def test_a_stalled_project_is_not_asked_for_more_often_than_a_running_one() -> None:
    assert running_gap(Plan(greatest_gap=3600), PLAN.stalled_after) == 3600


@given(st.sampled_from(["complete", "error", "canceled"]), st.none() | st.integers(-1, 1), st.integers(0, 10**6))
def test_the_tail_is_for_failures_that_still_cost(status: str, credits_charged: int | None, age: int) -> None:
    tail = PLAN.refund_gaps if status != "complete" and credits_charged == 1 else ()
    finished = project(status=status, credits_charged=credits_charged, settling_since=START)
    gap = settle_gap(PLAN, finished, after(seconds=age))
    ages = list(accumulate([*PLAN.settle_gaps, *tail]))
    assert (age + gap if gap is not None else None) == next((due for due in ages if due > age), None)


def test_an_extra_check_uses_up_none_of_the_planned_ones() -> None:
    finished = project(status="complete", settling_since=START)
    assert settle_gap(PLAN, finished, after(seconds=10)) == 20
    assert settle_gap(PLAN, finished, after(seconds=30)) == 120
