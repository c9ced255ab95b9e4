"""What a failed check changes about its project."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from worker.domain.projects.apply_observation import PendingEvents, close, stall
from worker.domain.projects.events import numbered
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project
from worker.domain.scheduling.backoff import backoff
from worker.domain.scheduling.rate_limit import LONGEST_PAUSE
from worker.domain.scheduling.schedule import Plan

# Kind of failure -> (first gap, longest gap) in seconds. Account-wide failures pause the account: its
# projects stay due each minute, so that one of them resumes it soon after the cause is gone.
_GAPS: Final[dict[FailureKind, tuple[float, float]]] = {
    FailureKind.BAD_ANSWER: (5, 600),
    FailureKind.NOT_FOUND: (15, 300),
    FailureKind.NOTHING_FOUND: (5, 300),
    FailureKind.UNAUTHORIZED: (60, 60),
    FailureKind.PAYMENT_REQUIRED: (60, 60),
    FailureKind.FORBIDDEN: (5, 3600),
    FailureKind.RATE_LIMITED: (1, 60),
    FailureKind.REFUSED: (3600, 3600),
    FailureKind.UNAVAILABLE: (5, 300),
    FailureKind.NOT_RECORDED: (60, 3600),
}
# Failures that concern the project, and not the account or the network.
_PROJECTS_OWN: Final = frozenset(
    {FailureKind.BAD_ANSWER, FailureKind.NOT_FOUND, FailureKind.FORBIDDEN, FailureKind.REFUSED}
    | {FailureKind.UNAVAILABLE, FailureKind.NOT_RECORDED}
)
# The number of attempts to recheck a closed project.
_TRIES_WHEN_CLOSED: Final = 8
_LASTING: Final = frozenset(
    {FailureKind.BAD_ANSWER, FailureKind.NOT_FOUND, FailureKind.REFUSED, FailureKind.FORBIDDEN}
    | {FailureKind.NOT_RECORDED}
)


def apply_failure(
    before: Project,
    failure: CheckFailure,
    now: datetime,
    plan: Plan,
    jitter: float,
    *,
    answered_at: datetime | None = None,
) -> Outcome:
    """Return what a failed check changes. ``jitter`` is a random number from 0 to 1.

    ``answered_at`` is when the account or one of its projects was last found. A project is closed as missing only if
    that was after its first 404, because an API that finds nothing at all proves nothing.
    """
    if failure.kind is FailureKind.NOT_SENT:
        return _not_asked(before, failure, now)
    after = _counted(before, failure, now)
    pending: PendingEvents = []
    if not before.closed:
        after, pending = _judge(after, failure.kind, now, plan, answered_at)
    events = numbered(before, pending)
    after = replace(after, event_count=before.event_count + len(events))
    just_closed = after.closed and not before.closed
    gap = None if just_closed else _gap(after, failure, jitter)
    if gap is None and not just_closed:
        after = replace(after, failure_count=0)
    return Outcome(after, gap, events=events)


def _not_asked(before: Project, failure: CheckFailure, now: datetime) -> Outcome:
    """Leave the project as it is: due again at once, or after ``retry_after`` if it needs another worker."""
    if failure.retry_after is None:
        return Outcome(before, 0.0)
    noted = replace(before, last_problem=str(failure.kind), last_problem_detail=failure.detail, last_problem_at=now)
    return Outcome(replace(noted, last_problem_message=None), min(failure.retry_after, LONGEST_PAUSE))


def _counted(before: Project, failure: CheckFailure, now: datetime) -> Project:
    """Count the failure. For a closed project the count restarts, so that a recheck has all its attempts."""
    begins = before.closed and (before.last_problem_at or now) <= (before.closed_at or now)
    after = replace(
        before,
        failure_count=1 if begins else before.failure_count + 1,
        last_problem=str(failure.kind),
        last_problem_detail=failure.detail,
        last_problem_message=failure.message,
        last_problem_at=now,
        failing_since=now if begins else before.failing_since or now,
    )
    if failure.kind is FailureKind.NOT_FOUND:
        return replace(after, missing_since=before.missing_since or now, missing_count=before.missing_count + 1)
    if failure.kind in {FailureKind.BAD_ANSWER, FailureKind.REFUSED, FailureKind.FORBIDDEN}:
        # The project's own resource responded, so consecutive 404s end here.
        return replace(after, missing_since=None, missing_count=0)
    return after


def _judge(
    project: Project, kind: FailureKind, now: datetime, plan: Plan, answered_at: datetime | None
) -> tuple[Project, PendingEvents]:
    if kind is FailureKind.NOT_FOUND and _is_missing(project, now, plan, answered_at):
        return close(project, "missing", now)
    last_sign = max(project.opened_at, project.last_observed_at or project.opened_at)
    silent = (now - last_sign).total_seconds() >= plan.give_up_after
    # Several consecutive failures, because one check after a long pause may fail by chance.
    if silent and project.failure_count >= plan.give_up_count:
        return close(project, "expired", now)
    if kind is FailureKind.REFUSED or _fails_too_long(project, kind, now, plan):
        return stall(project, now)
    return project, []


def _is_missing(project: Project, now: datetime, plan: Plan, answered_at: datetime | None) -> bool:
    since = project.missing_since
    if since is None or answered_at is None or answered_at < since:
        return False
    return project.missing_count >= plan.missing_count and (now - since).total_seconds() >= plan.missing_after


def _fails_too_long(project: Project, kind: FailureKind, now: datetime, plan: Plan) -> bool:
    if kind not in _PROJECTS_OWN or project.failing_since is None:
        return False
    # An API that is down for an hour says nothing about a project.
    longest = plan.stalled_after if kind is FailureKind.UNAVAILABLE else min(plan.failing_after, plan.stalled_after)
    return (now - project.failing_since).total_seconds() >= longest


def _gap(after: Project, failure: CheckFailure, jitter: float) -> float | None:
    if after.closed and (failure.kind in _LASTING or after.failure_count >= _TRIES_WHEN_CLOSED):
        return None
    base, limit = _GAPS[failure.kind]
    failures = after.missing_count if failure.kind is FailureKind.NOT_FOUND else after.failure_count
    asked_for = min(failure.retry_after or 0.0, LONGEST_PAUSE)  # a pause of years would lose the project
    return max(backoff(failures, base=base, limit=limit, jitter=jitter), asked_for)
