"""What single answers change."""

from dataclasses import replace

import pytest

from tests.domain.projects.strategies import PLAN, START, after, project, seen
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.observation import Download, Observation, ProjectError
from worker.domain.projects.outcome import Outcome, Transition
from worker.domain.projects.project import Project
from worker.domain.projects.status import CloseReason


def look(before: Project, *answers: Observation, minutes: float = 1.0) -> Outcome:
    """The outcome of the last of some answers, minutes apart."""
    now = before.last_observed_at or START
    for answer in answers:
        now += after(minutes=minutes) - START
        outcome = apply_observation(before, answer, now, PLAN)
        before = outcome.project
    return outcome


def news(outcome: Outcome) -> list[str]:
    return [event.type for event in outcome.events]


def closed(reason: CloseReason, status: str = "complete") -> Project:
    finished_at = START if status in {"complete", "error", "canceled"} else None
    told = {"status": status, "finished_at": finished_at, "credits_charged": 450, "event_count": 4}
    return project(state="closed", close_reason=reason, closed_at=START, closing_count=1, **told)


def test_first_sight_is_a_transition_from_nothing() -> None:
    outcome = look(project(), seen("queued"))
    assert outcome.transition == Transition(None, "queued")
    assert outcome.project.state == "active"
    assert news(outcome) == ["project.credits_adjusted"]


def test_rendering_is_started_once() -> None:
    assert news(look(project(), seen("queued"), seen("rendering"))) == ["project.started"]
    assert news(look(project(), seen("rendering"), seen("queued"), seen("rendering"))) == []


@pytest.mark.parametrize(
    ("status", "type_"),
    [("complete", "project.completed"), ("error", "project.failed"), ("canceled", "project.canceled")],
)
def test_each_end_has_its_event_and_begins_to_settle(status: str, type_: str) -> None:
    outcome = look(project(), seen("rendering"), seen(status))
    assert news(outcome) == [type_]
    assert outcome.project.state == "settling"
    assert outcome.next_check_in == 30
    assert outcome.project.finished_at == after(minutes=2)


def test_events_tell_the_status_and_the_credits_before() -> None:
    completed, credited = look(project(), seen("rendering", 450), seen("complete", 360)).events
    assert (completed.type, completed.previous_status, completed.credits_before) == (
        "project.completed",
        "rendering",
        450,
    )
    assert (credited.type, credited.sequence) == ("project.credits_adjusted", completed.sequence + 1)


def test_an_unknown_status_counts_as_running() -> None:
    outcome = look(project(), seen("upscaling"))
    assert outcome.transition == Transition(None, "upscaling")
    assert (outcome.project.state, outcome.project.finished_at) == ("active", None)
    assert outcome.next_check_in is not None


def test_the_same_answer_again_changes_nothing() -> None:
    outcome = look(project(), seen("rendering"), seen("rendering"))
    assert not outcome.changed
    assert outcome.project.last_observed_at == after(minutes=2)


def test_fresh_links_are_stored_and_are_no_change() -> None:
    links = [Download(f"https://videos.magichour.ai/x?sig={number}", f"day {number}") for number in range(2)]
    outcome = look(project(), *(seen("complete", downloads=(link,)) for link in links))
    assert not outcome.changed
    assert outcome.project.downloads == (links[1],)


def test_an_answer_ends_a_row_of_failures() -> None:
    failing = project(failure_count=7, missing_count=4, missing_since=START, last_problem="not_found")
    well = look(failing, seen()).project
    assert (well.failure_count, well.missing_count, well.missing_since, well.last_problem) == (0, 0, None, None)


def test_a_type_once_known_is_kept() -> None:
    assert look(project(), seen(type="FACE_SWAP"), seen()).project.type == "FACE_SWAP"


# --- settling -------------------------------------------------------------------------------------------------------


def gaps_until_closed(before: Project, answer: Observation) -> tuple[list[float], Outcome]:
    gaps: list[float] = []
    now = START
    while True:
        outcome = apply_observation(before, answer, now, PLAN)
        if outcome.next_check_in is None:
            return gaps, outcome
        gaps.append(outcome.next_check_in)
        now += after(seconds=outcome.next_check_in) - START
        before = outcome.project


def test_a_complete_project_settles_at_growing_gaps() -> None:
    gaps, last = gaps_until_closed(project(), seen("complete", 450))
    assert gaps == [30, 120, 600, 3600]
    assert news(last) == ["project.settled"]
    assert last.project.close_reason == "settled"


@pytest.mark.parametrize("status", ["error", "canceled"])
def test_a_failed_project_that_still_costs_something_keeps_a_tail(status: str) -> None:
    gaps, _ = gaps_until_closed(project(), seen(status, 450))
    assert gaps == [30, 120, 600, 3600, 6 * 3600, 24 * 3600, 72 * 3600]


@pytest.mark.parametrize("status", ["error", "canceled"])
def test_a_failed_project_that_costs_nothing_needs_no_tail(status: str) -> None:
    gaps, _ = gaps_until_closed(project(), seen(status, 0))
    assert gaps == [30, 120, 600, 3600]


def test_a_refund_in_the_tail_settles_at_once() -> None:
    waiting = project(status="error", credits_charged=450, state="settling", settling_since=START, finished_at=START)
    outcome = look(waiting, seen("error", 0), minutes=9 * 60)
    assert outcome.adjustment is not None
    assert outcome.adjustment.reason == "refund"
    assert news(outcome) == ["project.credits_adjusted", "project.settled"]
    assert outcome.next_check_in is None


# --- the end, and after it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["rendering", "error"])
def test_an_end_that_is_taken_back_is_reported_and_no_second_end(status: str) -> None:
    outcome = look(project(), seen("complete"), seen(status))
    assert news(outcome) == ["project.changed"]
    assert news(look(outcome.project, seen("complete"))) == ["project.changed"]


def test_a_project_that_runs_again_is_active_again() -> None:
    again = look(project(), seen("complete"), seen("complete"), seen("rendering")).project
    assert (again.state, again.settling_since) == ("active", None)


def test_another_error_after_the_end_is_a_change() -> None:
    errors = [ProjectError("unknown_error", "?"), ProjectError("no_source_face", "No face")]
    assert news(look(project(), *(seen("error", 0, error=error) for error in errors))) == ["project.changed"]


@pytest.mark.parametrize(("status", "reason"), [("error", "refund"), ("complete", "correction")])
def test_a_change_of_credits_after_settling_settles_anew(status: str, reason: str) -> None:
    outcome = look(closed("settled", status), seen(status, 0))
    assert outcome.adjustment is not None
    assert outcome.adjustment.reason == reason
    assert (outcome.project.state, outcome.project.settling_since) == ("settling", after(minutes=1))
    assert (outcome.project.close_reason, outcome.project.closed_at) == (None, None)
    assert outcome.next_check_in == 30


def test_settling_twice_is_told_twice_with_different_keys() -> None:
    first_gaps, first = gaps_until_closed(project(), seen("complete", 450))
    second_gaps, second = gaps_until_closed(first.project, seen("complete", 360))
    assert first_gaps == second_gaps
    assert [event.dedup_key for event in first.events + second.events] == ["settled:1", "settled:2"]


def test_a_settled_project_without_a_change_stays_closed() -> None:
    outcome = look(closed("settled"), seen("complete"))
    assert not outcome.changed
    assert outcome.next_check_in is None
    assert outcome.project.closed


@pytest.mark.parametrize("reason", ["missing", "expired", "deleted"])
def test_a_project_that_was_given_up_and_is_seen_again_is_followed_again(reason: CloseReason) -> None:
    outcome = look(closed(reason, "rendering"), seen("rendering"))
    assert (outcome.project.state, outcome.project.close_reason) == ("active", None)
    assert outcome.project.opened_at == after(minutes=1)
    assert outcome.next_check_in is not None


@pytest.mark.parametrize("answer", [seen("complete", 360), seen("error"), seen("rendering"), seen(enabled=False)])
def test_an_untracked_project_never_opens_by_itself(answer: Observation) -> None:
    outcome = look(closed("untracked"), answer)
    assert (outcome.project.state, outcome.project.close_reason) == ("closed", "untracked")
    assert outcome.next_check_in is None


def test_deletion_closes_and_moves_no_money() -> None:
    outcome = look(project(), seen("rendering", 450), seen("rendering", 0, enabled=False))
    assert (outcome.adjustment, outcome.project.credits_charged) == (None, 450)
    assert news(outcome) == ["project.deleted"]
    assert outcome.project.close_reason == "deleted"


def test_complete_and_deleted_in_one_answer_has_its_final_credits_first() -> None:
    outcome = look(project(), seen("rendering", 450), seen("complete", 360, enabled=False))
    assert news(outcome) == ["project.completed", "project.credits_adjusted", "project.deleted"]
    assert outcome.adjustment is not None
    assert (outcome.adjustment.reason, outcome.project.credits_charged) == ("final", 360)
    assert (outcome.project.close_reason, outcome.next_check_in) == ("deleted", None)


@pytest.mark.parametrize("reason", ["settled", "missing", "expired"])
def test_a_deletion_after_closing_is_reported_once(reason: CloseReason) -> None:
    outcome = look(closed(reason), seen("complete", 0, enabled=False))
    assert news(outcome) == ["project.deleted"]
    assert (outcome.project.close_reason, outcome.next_check_in) == ("deleted", None)
    assert news(look(outcome.project, seen("complete", 0, enabled=False))) == []


# --- those that run too long ----------------------------------------------------------------------------------------


def test_a_project_that_runs_far_too_long_is_reported_once() -> None:
    running = look(project(), seen("rendering")).project
    early = apply_observation(running, seen("rendering"), after(hours=5.99), PLAN)
    stalled = apply_observation(running, seen("rendering"), after(hours=6), PLAN)
    later = apply_observation(stalled.project, seen("rendering"), after(hours=7), PLAN)
    assert [news(outcome) for outcome in (early, stalled, later)] == [[], ["project.stalled"], []]
    assert later.next_check_in == PLAN.stalled_gap


def test_a_project_that_never_ends_expires() -> None:
    running = look(project(), seen("rendering")).project
    assert news(apply_observation(running, seen("rendering"), after(days=6.99), PLAN)) == ["project.stalled"]
    expired = apply_observation(running, seen("rendering"), after(days=7), PLAN)
    assert news(expired) == ["project.expired"]
    assert expired.next_check_in is None


def test_an_end_seen_late_is_an_end_and_not_expiry() -> None:
    running = look(project(), seen("rendering")).project
    assert news(apply_observation(running, seen("complete"), after(days=8), PLAN)) == ["project.completed"]


def test_the_age_counts_from_the_last_opening() -> None:
    reopened = replace(look(closed("expired", "rendering"), seen("rendering")).project, opened_at=after(days=10))
    assert apply_observation(reopened, seen("rendering"), after(days=11), PLAN).project.state == "active"
