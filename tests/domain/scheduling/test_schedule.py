from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import PLAN, START, after, project
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import guess, next_gap
from worker.domain.scheduling.schedule import Plan, first_gap, price_of, render_age, running_gap, settle_gap

ages = st.floats(0, 10**7)


@given(ages, st.sampled_from(["queued", "rendering", None, "upscaling"]))
def test_a_running_projects_gap_lies_between_the_least_and_the_greatest(age: float, status: str | None) -> None:
    gap = running_gap(PLAN, project(status=status), after(seconds=age))
    assert PLAN.least_gap <= gap <= max(PLAN.greatest_gap, PLAN.stalled_gap)
    assert age >= PLAN.stalled_after or gap <= PLAN.greatest_gap


def test_a_stalled_project_is_not_asked_for_more_often_than_a_running_one() -> None:
    running = project(status="rendering")
    assert running_gap(Plan(greatest_gap=3600), running, after(seconds=PLAN.stalled_after)) == 3600


def test_a_project_that_waits_has_not_begun_to_render() -> None:
    waiting = project(status="queued", queued_at=after(minutes=5))
    assert render_age(waiting, after(minutes=6)) == 0
    rendering = project(status="rendering", queued_at=after(minutes=5))
    assert render_age(rendering, after(minutes=6)) == 60
    never_waited = project(status="rendering")
    assert render_age(never_waited, after(minutes=6)) == 360


def test_a_project_that_was_tracked_late_is_timed_from_its_creation() -> None:
    assert render_age(project(status="rendering", created_at=after(minutes=-5)), after(minutes=6)) == 660
    in_time = project(status="rendering", created_at=after(seconds=-20))
    assert render_age(in_time, after(minutes=6)) == 360


def test_what_is_known_of_a_type_moves_its_checks_to_where_its_end_is_likely() -> None:
    known = Plan(durations=Durations({("video", "MUSIC_VIDEO"): guess(300)}))
    young = project(status="rendering", type="MUSIC_VIDEO")
    early, near = (running_gap(known, young, after(seconds=age)) for age in (5, 280))
    assert early > 1.3 * near
    assert running_gap(known, young, after(seconds=5)) > running_gap(PLAN, young, after(seconds=5))


def test_a_higher_price_means_fewer_checks() -> None:
    gaps = [running_gap(Plan(price=price), project(status="rendering"), after(seconds=60)) for price in (0.1, 1, 10)]
    assert gaps == sorted(gaps)
    assert gaps[0] < gaps[-1]


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


def test_the_first_check_waits_for_a_learned_type_until_the_rule_or_a_few_ends() -> None:
    for median in (3.0, 30.0, 300.0):
        plan = Plan(durations=Durations({("video", "SLOW"): guess(median)}))
        gap = first_gap(plan, "video", "SLOW")
        hazard = plan.durations.of("video", "SLOW")
        rule = next_gap(hazard, 0.0, price_of(plan, hazard), plan.least_gap, plan.greatest_gap)
        assert 0 < gap <= rule
        assert hazard.odds(0.0, gap) < 0.06
    assert first_gap(Plan(), "video", "TEXT_TO_VIDEO") == 0  # a published median is not learned
    assert first_gap(Plan(durations=Durations({("video", ""): guess(300)})), "video", "OTHER") == 0
    assert first_gap(Plan(durations=Durations({("video", ""): guess(300)})), "video", None) == 0
