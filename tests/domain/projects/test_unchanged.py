from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import PLAN, START, after, observations, project, seen, waits
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.observation import Download, Observation, ProjectError
from worker.domain.projects.project import Project, RunningProject
from worker.domain.projects.status import WAITING
from worker.domain.projects.unchanged import unchanged_gap

BEFORE = project(status="rendering", credits_charged=450, started_at=START, created_at=START, last_observed_at=START)


def glimpse(project: Project) -> RunningProject:
    return RunningProject(**{name: getattr(project, name) for name in RunningProject._fields})


@given(observations, observations, waits, waits, st.sampled_from(["the same", "another"]))
def test_a_glance_says_what_a_look_says_or_nothing(
    first: Observation, second: Observation, one: timedelta, two: timedelta, answer: str
) -> None:
    before = apply_observation(project(), first, START + one, PLAN).project
    if before.state != "active" or before.error or before.downloads:  # its caller does not ask
        return
    now = START + one + two
    second = first if answer == "the same" else second
    gap = unchanged_gap(glimpse(before), second, now, PLAN)
    if gap is not None:
        outcome = apply_observation(before, second, now, PLAN)
        assert not outcome.changed
        assert outcome.next_check_in == gap
        queued_at = now if before.status in WAITING else before.queued_at
        assert outcome.project == replace(before, last_observed_at=now, queued_at=queued_at)


def test_a_glance_is_enough_for_a_project_that_runs_on() -> None:
    assert unchanged_gap(glimpse(BEFORE), seen("rendering"), after(minutes=5), PLAN) is not None


def test_a_glance_is_not_enough_for_any_change() -> None:
    same = seen("rendering")
    failed = replace(same, error=ProjectError("no_source_face", "No face"))
    linked = replace(same, downloads=(Download("https://example.com/1.mp4", "2026-09-26"),))
    for change in (seen("complete"), replace(same, credits_charged=451), replace(same, enabled=False), failed, linked):
        assert unchanged_gap(glimpse(BEFORE), change, after(minutes=5), PLAN) is None


def test_a_glance_is_not_enough_when_a_project_has_run_for_too_long() -> None:
    assert unchanged_gap(glimpse(BEFORE), seen("rendering"), after(seconds=PLAN.stalled_after), PLAN) is None
    hasty = replace(PLAN, give_up_after=60)
    assert unchanged_gap(glimpse(BEFORE), seen("rendering"), after(seconds=60), hasty) is None


def test_a_glance_is_not_enough_when_the_clock_was_set_back() -> None:
    assert unchanged_gap(glimpse(BEFORE), seen("rendering"), after(seconds=-1), PLAN) is None
