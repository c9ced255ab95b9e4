"""From an observation to its changes: the heart of Renderwatch.

What counts as a change is a new status, new credits, a new error or a deletion. Everything else that an answer brings
(signed links differ in each one) is stored, but is no news.
"""

from dataclasses import replace
from datetime import datetime

from worker.domain.events import FINISHED, EventType, numbered
from worker.domain.ledger import Adjustment, adjust
from worker.domain.observation import Observation
from worker.domain.outcome import Outcome, Transition
from worker.domain.project import Project
from worker.domain.schedule import Plan, running_gap, settle_gap
from worker.domain.status import WAITING, CloseReason, is_terminal

News = list[tuple[EventType, str]]


def observe(before: Project, seen: Observation, now: datetime, plan: Plan) -> Outcome:
    """Return what a valid answer changes. ``now`` is the database's time of the recording transaction."""
    transition = Transition(before.status, seen.status) if seen.status != before.status else None
    # A deleted project's price is unknown, and unknown is not a refund: deletion never moves money.
    adjustment = _adjustment(before, seen) if seen.enabled else None
    news = _status_news(before, seen, transition)
    if adjustment:
        news.append(("project.credits_adjusted", f"credits:{before.adjustment_count + 1}"))
    after = _seen(before, seen, now, transition, adjustment)
    after, closing = _follow(before, after, seen, now, plan, changed=bool(news or transition))
    news += closing
    events = numbered(before, news)
    after = replace(after, event_count=before.event_count + len(events))
    return Outcome(after, _next_gap(after, now, plan), transition, adjustment, events)


def _adjustment(before: Project, seen: Observation) -> Adjustment | None:
    return adjust(
        before.credits_charged, seen.credits_charged, kind=before.kind, status=seen.status, closed=before.closed
    )


def _status_news(before: Project, seen: Observation, transition: Transition | None) -> News:
    if before.finished_at is not None:
        if transition or seen.error != before.error:
            return [("project.changed", f"changed:{before.event_count + 1}")]
        return []
    if not transition:
        return []
    if is_terminal(seen.status):
        return [(FINISHED[seen.status], "finished")]
    if seen.status == "rendering" and before.started_at is None:
        return [("project.started", "started")]
    return []


def _seen(
    before: Project,
    seen: Observation,
    now: datetime,
    transition: Transition | None,
    adjustment: Adjustment | None,
) -> Project:
    return replace(
        before,
        status=seen.status,
        credits_charged=adjustment.total if adjustment else before.credits_charged,
        error=seen.error,
        downloads=seen.downloads,
        type=seen.type or before.type,
        name=seen.name,
        width=seen.width,
        height=seen.height,
        fps=seen.fps,
        created_at=seen.created_at,
        queued_at=now if seen.status in WAITING else before.queued_at,
        started_at=before.started_at or (now if seen.status == "rendering" else None),
        finished_at=before.finished_at or (now if is_terminal(seen.status) else None),
        last_observed_at=now,
        missing_since=None,
        missing_count=0,
        failure_count=0,
        last_problem=None,
        transition_count=before.transition_count + (transition is not None),
        adjustment_count=before.adjustment_count + (adjustment is not None),
    )


def _follow(
    before: Project, after: Project, seen: Observation, now: datetime, plan: Plan, *, changed: bool
) -> tuple[Project, News]:
    """Move the tracking state on: active, settling, closed, and back when a closed project turns out to live."""
    if before.closed and not _reopens(before, seen, changed=changed):
        return after, []
    if not seen.enabled:
        return close(after, "deleted", now)
    reopened = before.closed
    after = replace(after, close_reason=None, closed_at=None, opened_at=now if reopened else before.opened_at)
    if not is_terminal(seen.status):
        return _keep_running(replace(after, state="active", settling_since=None), now, plan)
    ended_now = before.state != "settling" or seen.status != before.status
    after = replace(after, state="settling", settling_since=now if ended_now else before.settling_since)
    return close(after, "settled", now) if settle_gap(plan, after, now) is None else (after, [])


def _reopens(before: Project, seen: Observation, *, changed: bool) -> bool:
    if before.close_reason == "untracked":
        return False
    if not seen.enabled:
        return before.close_reason != "deleted"  # it ends once more, for another reason
    return changed or before.close_reason != "settled"


def _keep_running(project: Project, now: datetime, plan: Plan) -> tuple[Project, News]:
    age = (now - project.opened_at).total_seconds()
    if age >= plan.give_up_after:
        return close(project, "expired", now)
    if age >= plan.stalled_after:
        return stall(project, now)
    return project, []


def _next_gap(project: Project, now: datetime, plan: Plan) -> float | None:
    if project.closed:
        return None
    if project.state == "settling":
        return settle_gap(plan, project, now)
    return running_gap(plan, project, now)


def close(project: Project, reason: CloseReason, now: datetime) -> tuple[Project, News]:
    """End the tracking of a project, with the event that says so; nobody needs to be told what they asked for."""
    closed = replace(
        project, state="closed", close_reason=reason, closed_at=now, closing_count=project.closing_count + 1
    )
    events: dict[CloseReason, EventType] = {
        "settled": "project.settled",
        "missing": "project.missing",
        "deleted": "project.deleted",
        "expired": "project.expired",
    }
    if reason not in events:
        return closed, []
    return closed, [(events[reason], f"{reason}:{closed.closing_count}")]


def stall(project: Project, now: datetime) -> tuple[Project, News]:
    """Report once that a project does not get on."""
    if project.stalled_at is not None:
        return project, []
    return replace(project, stalled_at=now), [("project.stalled", "stalled")]
