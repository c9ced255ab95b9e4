from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import PLAN, START, after, project, seen
from worker.domain.projects.apply_failure import apply_failure
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.events import payload
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project

ACCOUNTS_OWN = [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED, FailureKind.RATE_LIMITED]
jitters = st.floats(0, 1)


def fail(before: Project, failure_kind: FailureKind, now: datetime, jitter: float = 0.5) -> Outcome:
    return apply_failure(before, CheckFailure(failure_kind, "no answer"), now, PLAN, jitter, answered_at=now)


def fail_often(before: Project, *steps: tuple[float, FailureKind]) -> list[Outcome]:
    """Apply failures at the given minutes, and return the outcomes."""
    outcomes: list[Outcome] = []
    for minutes, failure_kind in steps:
        outcomes.append(fail(before, failure_kind, after(minutes=minutes)))
        before = outcomes[-1].project
    return outcomes


def reasons(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.project.close_reason for outcome in outcomes]


# --- not found ------------------------------------------------------------------------------------------------------


def test_five_times_not_found_over_ten_minutes_is_missing() -> None:
    outcomes = fail_often(project(), *((minutes, FailureKind.NOT_FOUND) for minutes in (0, 1, 2, 5, 10)))
    assert reasons(outcomes) == [None, None, None, None, "missing"]
    assert [event.type for event in outcomes[-1].events] == ["project.missing"]
    assert outcomes[-1].next_check_in is None


def test_five_times_not_found_in_less_than_ten_minutes_is_not_missing_yet() -> None:
    outcomes = fail_often(project(), *((minutes, FailureKind.NOT_FOUND) for minutes in (0, 1, 2, 5, 9.99, 10)))
    assert reasons(outcomes) == [None, None, None, None, None, "missing"]


def test_four_times_not_found_is_not_missing_however_long_it_takes() -> None:
    outcomes = fail_often(project(), *((minutes, FailureKind.NOT_FOUND) for minutes in (0, 100, 200, 300, 400)))
    assert reasons(outcomes) == [None, None, None, None, "missing"]


@pytest.mark.parametrize("other", [FailureKind.BAD_ANSWER, FailureKind.REFUSED])
def test_another_answer_about_the_project_breaks_the_row(other: FailureKind) -> None:
    row = [FailureKind.NOT_FOUND] * 4 + [other] + [FailureKind.NOT_FOUND] * 4
    assert set(
        reasons(fail_often(project(), *((5.0 * step, failure_kind) for step, failure_kind in enumerate(row))))
    ) == {None}


@pytest.mark.parametrize("other", [*ACCOUNTS_OWN, FailureKind.UNAVAILABLE, FailureKind.NOT_SENT])
def test_what_says_nothing_of_the_project_does_not_break_the_row(other: FailureKind) -> None:
    row = [FailureKind.NOT_FOUND] * 4 + [other] + [FailureKind.NOT_FOUND]
    assert (
        reasons(fail_often(project(), *((5.0 * step, failure_kind) for step, failure_kind in enumerate(row))))[-1]
        == "missing"
    )


def test_the_gaps_of_the_plan_reach_missing_in_minutes() -> None:
    now, before, checks = START, project(), 0
    while not before.closed:
        outcome = fail(before, FailureKind.NOT_FOUND, now)
        now += timedelta(seconds=outcome.next_check_in or 0)
        before, checks = outcome.project, checks + 1
    assert before.close_reason == "missing"
    assert checks < 12
    assert now < after(minutes=30)


# --- giving up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure_kind", [FailureKind.BAD_ANSWER, FailureKind.REFUSED, FailureKind.UNAVAILABLE])
def test_a_project_without_a_sign_for_a_week_expires(failure_kind: FailureKind) -> None:
    observed = project(last_observed_at=after(days=1), failure_count=4)
    assert not fail(observed, failure_kind, after(days=7.99)).project.closed
    expired = fail(observed, failure_kind, after(days=8))
    assert expired.project.close_reason == "expired"
    assert [event.type for event in expired.events] == ["project.expired"]
    assert expired.next_check_in is None


def test_one_failure_after_a_long_pause_does_not_expire_a_project() -> None:
    assert not fail(
        project(last_observed_at=START, failure_count=3), FailureKind.UNAVAILABLE, after(days=8)
    ).project.closed


def test_a_project_that_was_opened_again_has_a_week_again() -> None:
    reopened = project(last_observed_at=START, opened_at=after(days=30))
    assert not fail(reopened, FailureKind.UNAVAILABLE, after(days=31)).project.closed


@pytest.mark.parametrize("failure_kind", ACCOUNTS_OWN)
def test_the_accounts_trouble_ends_a_project_only_after_a_week(failure_kind: FailureKind) -> None:
    steps = [(60.0 * hour, failure_kind) for hour in range(24 * 7 + 1)]
    outcomes = fail_often(project(), *steps)
    assert {outcome.project.state for outcome in outcomes[:-1]} == {"active"}
    assert [event.type for outcome in outcomes for event in outcome.events] == ["project.expired"]


@pytest.mark.parametrize("failure_kind", [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED])
def test_a_project_of_a_paused_account_stays_due_each_minute(failure_kind: FailureKind) -> None:
    assert (fail(project(failure_count=100), failure_kind, after(minutes=1)).next_check_in or 0) <= 60


# --- why ------------------------------------------------------------------------------------------------------------


def test_why_a_check_failed_is_kept_until_one_goes_well() -> None:
    said = CheckFailure(FailureKind.FORBIDDEN, "this project alone is refused", None, "plan_upgrade_required: Upgrade")
    first = apply_failure(project(), said, after(minutes=1), PLAN, 0.5).project
    later = apply_failure(first, said, after(minutes=2), PLAN, 0.5).project
    assert (later.last_problem, later.last_problem_detail) == ("forbidden", said.detail)
    assert (later.last_problem_message, later.last_problem_at) == (said.message, after(minutes=2))
    assert (later.failing_since, later.failure_count) == (after(minutes=1), 2)
    well = apply_observation(later, seen("rendering"), after(minutes=3), PLAN).project
    assert (well.last_problem_detail, well.last_problem_message, well.failing_since) == (None, None, None)


@pytest.mark.parametrize(
    "failure_kind", [FailureKind.BAD_ANSWER, FailureKind.FORBIDDEN, FailureKind.NOT_RECORDED, FailureKind.NOT_FOUND]
)
def test_a_project_that_fails_for_an_hour_is_reported_once_as_stalled_with_the_reason(
    failure_kind: FailureKind,
) -> None:
    steps = [(minutes, failure_kind) for minutes in (0.0, 30.0, 60.0, 90.0)]
    before, told = project(), []
    for minutes, kind in steps:
        said = CheckFailure(kind, "our sentence", None, "their words")
        outcome = apply_failure(before, said, after(minutes=minutes), PLAN, 0.5)
        told.append([payload(event, "id", outcome.project, START) for event in outcome.events])
        before = outcome.project
    assert [len(each) for each in told] == [0, 0, 1, 0]
    assert told[2][0]["type"] == "project.stalled"
    assert told[2][0]["reason"] == {
        "kind": str(failure_kind),
        "detail": "our sentence",
        "message": "their words",
        "failed_checks": 3,
        "since": START.isoformat(),
    }


def test_a_404_without_proof_that_anything_is_found_never_closes_as_missing() -> None:
    before = project()
    for minutes in range(0, 60, 2):
        failure = CheckFailure(FailureKind.NOT_FOUND, "not found")
        before = apply_failure(
            before, failure, after(minutes=minutes), PLAN, 0.5, answered_at=after(minutes=-1)
        ).project
    assert (before.state, before.missing_count) == ("active", 30)


# --- refused, not sent ----------------------------------------------------------------------------------------------


def test_a_refused_project_is_reported_once_and_asked_for_hourly() -> None:
    outcomes = fail_often(project(), (0, FailureKind.REFUSED), (60, FailureKind.REFUSED), (120, FailureKind.REFUSED))
    assert [[event.type for event in outcome.events] for outcome in outcomes] == [["project.stalled"], [], []]
    assert all(1800 <= (outcome.next_check_in or 0) <= 3600 for outcome in outcomes)


def test_what_was_not_sent_is_due_at_once_and_changes_nothing() -> None:
    before = project(failure_count=3, last_problem="unavailable")
    outcome = fail(before, FailureKind.NOT_SENT, after(days=30))
    assert outcome == Outcome(before, 0.0)


# --- backing off ----------------------------------------------------------------------------------------------------


@given(st.sampled_from([each for each in FailureKind if each is not FailureKind.NOT_SENT]), jitters, jitters)
def test_gaps_grow_up_to_an_hour(failure_kind: FailureKind, jitter: float, next_jitter: float) -> None:
    before, gap = project(), 0.0
    for count in range(1, 30):
        # Seconds apart: 404s over ten minutes would close it.
        outcome = fail(before, failure_kind, after(seconds=count), jitter)
        assert outcome.next_check_in is not None
        assert gap <= outcome.next_check_in <= 3600
        before, gap = outcome.project, outcome.next_check_in
    assert gap / 2 <= (fail(before, failure_kind, after(minutes=1), next_jitter).next_check_in or 0) <= gap * 2


@pytest.mark.parametrize("failure_kind", [each for each in FailureKind if each is not FailureKind.NOT_SENT])
def test_a_pause_that_the_api_asks_for_is_kept_up_to_an_hour(failure_kind: FailureKind) -> None:
    short, long = (
        apply_failure(project(), CheckFailure(failure_kind, "wait", seconds), START, PLAN, 0.0).next_check_in
        for seconds in (3000.0, 10.0**11)
    )
    assert short is not None
    assert 3000 <= short <= 3600
    assert long == 3600


# --- looking at a closed project again ------------------------------------------------------------------------------

CLOSED = project(state="closed", close_reason="settled", closed_at=START, closing_count=1, status="complete")


@pytest.mark.parametrize("failure_kind", [FailureKind.NOT_FOUND, FailureKind.BAD_ANSWER, FailureKind.REFUSED])
def test_a_closed_project_that_is_looked_for_in_vain_rests(failure_kind: FailureKind) -> None:
    outcome = fail(CLOSED, failure_kind, after(days=30))
    assert outcome.next_check_in is None
    assert outcome.events == ()
    assert outcome.project.close_reason == "settled"


@pytest.mark.parametrize("failure_kind", [*ACCOUNTS_OWN, FailureKind.UNAVAILABLE])
def test_a_closed_project_is_asked_for_eight_times_each_time_somebody_wants_it(failure_kind: FailureKind) -> None:
    before = CLOSED
    for _ in range(2):
        outcomes = fail_often(before, *[(10.0**5, failure_kind)] * 8)
        assert [outcome.next_check_in is None for outcome in outcomes] == [False] * 7 + [True]
        before = outcomes[-1].project


def test_a_project_that_was_given_up_after_many_failures_has_all_tries_again() -> None:
    given_up = fail(project(failure_count=1000), FailureKind.UNAVAILABLE, after(days=8)).project
    assert given_up.close_reason == "expired"
    assert fail(given_up, FailureKind.UNAVAILABLE, after(days=9)).next_check_in is not None


def test_failing_moves_neither_money_nor_status() -> None:
    before = project(status="error", credits_charged=450, state="settling", settling_since=START)
    for failure_kind in FailureKind:
        outcome = fail(before, failure_kind, after(minutes=1))
        assert (outcome.transition, outcome.adjustment) == (None, None)
        assert (outcome.project.status, outcome.project.credits_charged) == ("error", 450)
        assert (outcome.project.state, outcome.project.settling_since) == ("settling", START)
