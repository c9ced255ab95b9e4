"""What an observation changes about its project: the core of Renderwatch.

A new status, new credits, a new error or a deletion is a change. Everything else in a response
(signed links differ each time) is stored, but is not a change.
"""

from dataclasses import replace
from datetime import datetime

from worker.domain.projects.events import FINISHED, EventType, numbered
from worker.domain.projects.ledger import Adjustment, adjust
from worker.domain.projects.observation import Observation
from worker.domain.projects.outcome import Outcome, Transition
from worker.domain.projects.project import Project
from worker.domain.projects.status import WAITING, CloseReason, is_terminal
from worker.domain.scheduling.schedule import Plan, running_gap, settle_gap

PendingEvents = list[tuple[EventType, str]]


def apply_observation(before: Project, seen: Observation, now: datetime, plan: Plan) -> Outcome:
    """Return what an observation changes. ``now`` is the database's time in the recording transaction."""
    transition = Transition(before.status, seen.status) if seen.status != before.status else None
    adjustment = _adjustment(before, seen) if _price_counts(before, seen) else None
    pending = _status_events(before, seen, transition)
    if adjustment:
        pending.append(("project.credits_adjusted", f"credits:{before.adjustment_count + 1}"))
    after = _seen(before, seen, now, transition, adjustment)
    after, closing = _follow(before, after, seen, now, plan, changed=bool(pending or transition))
    pending += closing
    events = numbered(before, pending)
    after = replace(after, event_count=before.event_count + len(events))
    return Outcome(after, _next_gap(after, now, plan), transition, adjustment, events)


def _price_counts(before: Project, seen: Observation) -> bool:
    """Whether the price in the response goes into the ledger.

    A deleted project's price is unknown, which is not a refund, so a deletion makes no entry. But if the response
    that shows the deletion is also the first to show completion, its price is the final one.
    """
    return seen.enabled or (before.finished_at is None and seen.status == "complete")


def _adjustment(before: Project, seen: Observation) -> Adjustment | None:
    return adjust(
        before.credits_charged,
        seen.credits_charged,
        kind=before.kind,
        status=seen.status,
        closed=before.closed,
        odd=seen.credits_are_odd,
    )


def _status_events(before: Project, seen: Observation, transition: Transition | None) -> PendingEvents:
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
        start_seconds=seen.start_seconds,
        end_seconds=seen.end_seconds,
        image_count=seen.image_count,
        created_at=seen.created_at or before.created_at,
        expected_credits=_expected_credits(before, adjustment),
        queued_at=now if seen.status in WAITING else before.queued_at,
        started_at=before.started_at or (now if seen.status == "rendering" else None),
        finished_at=before.finished_at or (now if is_terminal(seen.status) else None),
        last_observed_at=now,
        missing_since=None,
        missing_count=0,
        failure_count=0,
        last_problem=None,
        last_problem_detail=None,
        last_problem_message=None,
        last_problem_at=None,
        failing_since=None,
        odd_fields=seen.odd_fields,
        transition_count=before.transition_count + (transition is not None),
        adjustment_count=before.adjustment_count + (adjustment is not None),
    )


def _expected_credits(before: Project, adjustment: Adjustment | None) -> int | None:
    """Return the first known price: the create call's, or else the first one observed."""
    return adjustment.total if adjustment and before.credits_charged is None else before.expected_credits


def _follow(
    before: Project, after: Project, seen: Observation, now: datetime, plan: Plan, *, changed: bool
) -> tuple[Project, PendingEvents]:
    """Advance the tracking state (active, settling, closed), or go back if a closed project is running again."""
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
        return before.close_reason != "deleted"  # it closes again, for a different reason
    return changed or before.close_reason != "settled"


def _keep_running(project: Project, now: datetime, plan: Plan) -> tuple[Project, PendingEvents]:
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


def close(project: Project, reason: CloseReason, now: datetime) -> tuple[Project, PendingEvents]:
    """Close a project, with the event that reports it; untracking by request has no event."""
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


def stall(project: Project, now: datetime) -> tuple[Project, PendingEvents]:
    """Mark a project as stalled, with an event the first time."""
    if project.stalled_at is not None:
        return project, []
    return replace(project, stalled_at=now), [("project.stalled", "stalled")]
