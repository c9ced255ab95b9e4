from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.observation import Problem, Trouble
from worker.domain.outcome import Outcome
from worker.domain.project import Project
from worker.domain.trouble import endure

from .projects import PLAN, START, after, project

ACCOUNTS_OWN = [Problem.UNAUTHORIZED, Problem.PAYMENT_REQUIRED, Problem.RATE_LIMITED]
jitters = st.floats(0, 1)


def fail(before: Project, problem: Problem, now: datetime, jitter: float = 0.5) -> Outcome:
    return endure(before, Trouble(problem, "no answer"), now, PLAN, jitter)


def fail_often(before: Project, *steps: tuple[float, Problem]) -> list[Outcome]:
    """What comes of each of some problems, that many minutes after the start."""
    outcomes: list[Outcome] = []
    for minutes, problem in steps:
        outcomes.append(fail(before, problem, after(minutes=minutes)))
        before = outcomes[-1].project
    return outcomes


def reasons(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.project.close_reason for outcome in outcomes]


# --- not found ------------------------------------------------------------------------------------------------------


def test_five_times_not_found_over_ten_minutes_is_missing() -> None:
    outcomes = fail_often(project(), *((minutes, Problem.NOT_FOUND) for minutes in (0, 1, 2, 5, 10)))
    assert reasons(outcomes) == [None, None, None, None, "missing"]
    assert [event.type for event in outcomes[-1].events] == ["project.missing"]
    assert outcomes[-1].next_check_in is None


def test_five_times_not_found_in_less_than_ten_minutes_is_not_missing_yet() -> None:
    outcomes = fail_often(project(), *((minutes, Problem.NOT_FOUND) for minutes in (0, 1, 2, 5, 9.99, 10)))
    assert reasons(outcomes) == [None, None, None, None, None, "missing"]


def test_four_times_not_found_is_not_missing_however_long_it_takes() -> None:
    outcomes = fail_often(project(), *((minutes, Problem.NOT_FOUND) for minutes in (0, 100, 200, 300, 400)))
    assert reasons(outcomes) == [None, None, None, None, "missing"]


@pytest.mark.parametrize("other", [Problem.BAD_ANSWER, Problem.REFUSED])
def test_another_answer_about_the_project_breaks_the_row(other: Problem) -> None:
    row = [Problem.NOT_FOUND] * 4 + [other] + [Problem.NOT_FOUND] * 4
    assert set(reasons(fail_often(project(), *((5.0 * step, problem) for step, problem in enumerate(row))))) == {None}


@pytest.mark.parametrize("other", [*ACCOUNTS_OWN, Problem.UNAVAILABLE, Problem.NOT_SENT])
def test_what_says_nothing_of_the_project_does_not_break_the_row(other: Problem) -> None:
    row = [Problem.NOT_FOUND] * 4 + [other] + [Problem.NOT_FOUND]
    assert reasons(fail_often(project(), *((5.0 * step, problem) for step, problem in enumerate(row))))[-1] == "missing"


def test_the_gaps_of_the_plan_reach_missing_in_minutes() -> None:
    now, before, checks = START, project(), 0
    while not before.closed:
        outcome = fail(before, Problem.NOT_FOUND, now)
        now += timedelta(seconds=outcome.next_check_in or 0)
        before, checks = outcome.project, checks + 1
    assert before.close_reason == "missing"
    assert checks < 12
    assert now < after(minutes=30)


# --- giving up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [Problem.BAD_ANSWER, Problem.REFUSED, Problem.UNAVAILABLE])
def test_a_project_without_a_sign_for_a_week_expires(problem: Problem) -> None:
    observed = project(last_observed_at=after(days=1), failure_count=4)
    assert not fail(observed, problem, after(days=7.99)).project.closed
    expired = fail(observed, problem, after(days=8))
    assert expired.project.close_reason == "expired"
    assert [event.type for event in expired.events] == ["project.expired"]
    assert expired.next_check_in is None


def test_one_failure_after_a_long_pause_does_not_expire_a_project() -> None:
    assert not fail(project(last_observed_at=START, failure_count=3), Problem.UNAVAILABLE, after(days=8)).project.closed


def test_a_project_that_was_opened_again_has_a_week_again() -> None:
    reopened = project(last_observed_at=START, opened_at=after(days=30))
    assert not fail(reopened, Problem.UNAVAILABLE, after(days=31)).project.closed


@given(st.lists(st.tuples(st.floats(0, 10**6), st.sampled_from(ACCOUNTS_OWN)), min_size=1, max_size=30))
def test_the_accounts_trouble_never_ends_a_project(steps: list[tuple[float, Problem]]) -> None:
    for outcome in fail_often(project(), *steps):
        assert outcome.project.state == "active"
        assert outcome.next_check_in is not None
        assert outcome.events == ()


# --- refused, not sent ----------------------------------------------------------------------------------------------


def test_a_refused_project_is_reported_once_and_asked_for_hourly() -> None:
    outcomes = fail_often(project(), (0, Problem.REFUSED), (60, Problem.REFUSED), (120, Problem.REFUSED))
    assert [[event.type for event in outcome.events] for outcome in outcomes] == [["project.stalled"], [], []]
    assert all(1800 <= (outcome.next_check_in or 0) <= 3600 for outcome in outcomes)


def test_what_was_not_sent_is_due_at_once_and_changes_nothing() -> None:
    before = project(failure_count=3, last_problem="unavailable")
    outcome = fail(before, Problem.NOT_SENT, after(days=30))
    assert outcome == Outcome(before, 0.0)


# --- backing off ----------------------------------------------------------------------------------------------------


@given(st.sampled_from([problem for problem in Problem if problem is not Problem.NOT_SENT]), jitters, jitters)
def test_gaps_grow_up_to_an_hour(problem: Problem, jitter: float, next_jitter: float) -> None:
    before, gap = project(), 0.0
    for count in range(1, 30):
        # Seconds apart: 404s over ten minutes would close it.
        outcome = fail(before, problem, after(seconds=count), jitter)
        assert outcome.next_check_in is not None
        assert gap <= outcome.next_check_in <= 3600
        before, gap = outcome.project, outcome.next_check_in
    assert gap / 2 <= (fail(before, problem, after(minutes=1), next_jitter).next_check_in or 0) <= gap * 2


@pytest.mark.parametrize("problem", [problem for problem in Problem if problem is not Problem.NOT_SENT])
def test_a_pause_that_the_api_asks_for_is_kept_up_to_an_hour(problem: Problem) -> None:
    short, long = (
        endure(project(), Trouble(problem, "wait", seconds), START, PLAN, 0.0).next_check_in
        for seconds in (3000.0, 10.0**11)
    )
    assert short is not None
    assert 3000 <= short <= 3600
    assert long == 3600


# --- looking at a closed project again ------------------------------------------------------------------------------

CLOSED = project(state="closed", close_reason="settled", closed_at=START, closing_count=1, status="complete")


@pytest.mark.parametrize("problem", [Problem.NOT_FOUND, Problem.BAD_ANSWER, Problem.REFUSED])
def test_a_closed_project_that_is_looked_for_in_vain_rests(problem: Problem) -> None:
    outcome = fail(CLOSED, problem, after(days=30))
    assert outcome.next_check_in is None
    assert outcome.events == ()
    assert outcome.project.close_reason == "settled"


@pytest.mark.parametrize("problem", [*ACCOUNTS_OWN, Problem.UNAVAILABLE])
def test_a_closed_project_is_asked_for_eight_times_each_time_somebody_wants_it(problem: Problem) -> None:
    before = CLOSED
    for _ in range(2):
        outcomes = fail_often(before, *[(10.0**5, problem)] * 8)
        assert [outcome.next_check_in is None for outcome in outcomes] == [False] * 7 + [True]
        before = outcomes[-1].project


def test_a_project_that_was_given_up_after_many_failures_has_all_tries_again() -> None:
    given_up = fail(project(failure_count=1000), Problem.UNAVAILABLE, after(days=8)).project
    assert given_up.close_reason == "expired"
    assert fail(given_up, Problem.UNAVAILABLE, after(days=9)).next_check_in is not None


def test_failing_moves_neither_money_nor_status() -> None:
    before = project(status="error", credits_charged=450, state="settling", settling_since=START)
    for problem in Problem:
        outcome = fail(before, problem, after(minutes=1))
        assert (outcome.transition, outcome.adjustment) == (None, None)
        assert (outcome.project.status, outcome.project.credits_charged) == ("error", 450)
        assert (outcome.project.state, outcome.project.settling_since) == ("settling", START)
