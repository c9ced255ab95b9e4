"""What a check that brought no observation means for its project."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from worker.domain.allowance import LONGEST_PAUSE
from worker.domain.backoff import backoff
from worker.domain.events import numbered
from worker.domain.observation import Problem, Trouble
from worker.domain.observe import News, close, stall
from worker.domain.outcome import Outcome
from worker.domain.project import Project
from worker.domain.schedule import Plan

# Problem -> (first gap, greatest gap) in seconds. What is the account's trouble is held back at the account; the
# project's own gap only keeps one bad project from being every probe.
_GAPS: Final[dict[Problem, tuple[float, float]]] = {
    Problem.BAD_ANSWER: (5, 600),
    Problem.NOT_FOUND: (15, 300),
    Problem.UNAUTHORIZED: (60, 3600),
    Problem.PAYMENT_REQUIRED: (60, 3600),
    Problem.RATE_LIMITED: (1, 60),
    Problem.REFUSED: (3600, 3600),
    Problem.UNAVAILABLE: (5, 300),
    Problem.NOT_SENT: (0, 0),
}
# What says something of the project, and not only of the account or the network on the way to it.
_PROJECTS_OWN: Final = frozenset({Problem.BAD_ANSWER, Problem.NOT_FOUND, Problem.REFUSED, Problem.UNAVAILABLE})
# A closed project that somebody wants to see again is asked for this often before we let it rest.
_TRIES_WHEN_CLOSED: Final = 8
_LASTING: Final = frozenset({Problem.BAD_ANSWER, Problem.NOT_FOUND, Problem.REFUSED})


def endure(before: Project, trouble: Trouble, now: datetime, plan: Plan, jitter: float) -> Outcome:
    """Return what a failed check changes; ``jitter`` is a random number from 0 to 1."""
    if trouble.problem is Problem.NOT_SENT:
        return Outcome(before, 0.0)
    after = _counted(before, trouble, now)
    news: News = []
    if not before.closed:
        after, news = _judge(after, trouble.problem, now, plan)
    events = numbered(before, news)
    after = replace(after, event_count=before.event_count + len(events))
    just_closed = after.closed and not before.closed
    gap = None if just_closed else _gap(after, trouble, jitter)
    if gap is None:
        after = replace(after, failure_count=0)  # whoever asks for it again starts with all tries
    return Outcome(after, gap, events=events)


def _counted(before: Project, trouble: Trouble, now: datetime) -> Project:
    after = replace(before, failure_count=before.failure_count + 1, last_problem=str(trouble.problem))
    if trouble.problem is Problem.NOT_FOUND:
        return replace(after, missing_since=before.missing_since or now, missing_count=before.missing_count + 1)
    if trouble.problem in {Problem.BAD_ANSWER, Problem.REFUSED}:
        # These come from the project's own resource: the row of "not found" answers is broken.
        return replace(after, missing_since=None, missing_count=0)
    return after


def _judge(project: Project, problem: Problem, now: datetime, plan: Plan) -> tuple[Project, News]:
    since = project.missing_since
    if (
        problem is Problem.NOT_FOUND
        and since is not None
        and project.missing_count >= plan.missing_count
        and (now - since).total_seconds() >= plan.missing_after
    ):
        return close(project, "missing", now)
    last_sign = max(project.opened_at, project.last_observed_at or project.opened_at)
    silent = (now - last_sign).total_seconds() >= plan.give_up_after
    # A few failures in a row, because a look after a long pause of the account may fail by chance.
    if problem in _PROJECTS_OWN and silent and project.failure_count >= plan.give_up_count:
        return close(project, "expired", now)
    if problem is Problem.REFUSED:
        return stall(project, now)
    return project, []


def _gap(after: Project, trouble: Trouble, jitter: float) -> float | None:
    if after.closed and (trouble.problem in _LASTING or after.failure_count >= _TRIES_WHEN_CLOSED):
        return None
    base, limit = _GAPS[trouble.problem]
    failures = after.missing_count if trouble.problem is Problem.NOT_FOUND else after.failure_count
    asked_for = min(trouble.retry_after or 0.0, LONGEST_PAUSE)  # a pause of years would forget the project
    return max(backoff(failures, base=base, limit=limit, jitter=jitter), asked_for)
