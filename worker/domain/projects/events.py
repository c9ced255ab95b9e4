"""Events: their types, deduplication keys, and the payload that consumers receive."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from worker.domain.projects.ledger import outstanding
from worker.domain.projects.observation import FailureKind
from worker.domain.projects.project import Project

EventType = Literal[
    "project.started",
    "project.completed",
    "project.failed",
    "project.canceled",
    "project.credits_adjusted",
    "project.settled",
    "project.stalled",
    "project.changed",
    "project.missing",
    "project.deleted",
    "project.expired",
]
StalledBecause = Literal["running_too_long", "refused", "checks_failing"]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
# Raised when fields are added. No field is ever removed or changes its meaning.
SCHEMA_VERSION: Final = 2
_WITH_REASON: Final = frozenset({"project.stalled", "project.missing", "project.expired"})

FINISHED: Final[dict[str, EventType]] = {
    "complete": "project.completed",
    "error": "project.failed",
    "canceled": "project.canceled",
}


@dataclass(frozen=True, slots=True)
class Event:
    """An event about a project, not yet stored.

    A project has at most one event with the same ``dedup_key``; ``sequence`` counts a project's events from 1.
    """

    type: EventType
    dedup_key: str
    sequence: int
    previous_status: str | None
    credits_before: int | None


def payload(event: Event, event_id: str, project: Project, occurred_at: datetime) -> dict[str, Any]:
    """Return what a destination receives: JSON values only, times in ISO 8601 with a time zone.

    ``project`` is the project after the change that the event reports.
    """
    error = project.error
    more: dict[str, Any] = {}
    if event.type == "project.settled":
        more["credits_outstanding"] = outstanding(project.status, project.credits_charged)
    if event.type in _WITH_REASON:
        more["reason"] = failure_reason(project)
    if event.type == "project.stalled":
        more["stalled_because"] = stalled_because(project)
    return {
        "schema_version": SCHEMA_VERSION,
        "id": event_id,
        "type": event.type,
        "occurred_at": occurred_at.isoformat(),
        "account": project.account,
        "kind": project.kind,
        "project_id": project.project_id,
        "project_type": project.type,
        "sequence": event.sequence,
        "state": project.state,
        "previous_status": event.previous_status,
        "status": project.status,
        "credits_before": event.credits_before,
        "credits_after": project.credits_charged,
        "error": None if error is None else {"code": error.code, "message": error.message},
        "downloads": [{"url": item.url, "expires_at": item.expires_at} for item in project.downloads],
        "metadata": dict(project.metadata),
        "name": project.name,
        "width": project.width,
        "height": project.height,
        "fps": project.fps,
        "start_seconds": project.start_seconds,
        "end_seconds": project.end_seconds,
        "image_count": project.image_count,
        "created_at": project.created_at.isoformat() if project.created_at else None,
        "expected_credits": project.expected_credits,
        "tracked_by": project.tracked_by,
        **more,
    }


def stalled_because(project: Project) -> StalledBecause:
    """Return why a project is reported as stalled: its last check failed, or it runs too long."""
    if project.last_problem is None:
        return "running_too_long"
    return "refused" if project.last_problem == FailureKind.REFUSED else "checks_failing"


def failure_reason(project: Project) -> dict[str, Any] | None:
    """Return why the last check of a project failed, as JSON values; None if it did not."""
    if project.last_problem is None:
        return None
    return {
        "kind": project.last_problem,
        "detail": project.last_problem_detail,
        "message": project.last_problem_message,
        "failed_checks": project.failure_count,
        "since": project.failing_since.isoformat() if project.failing_since else None,
    }


def numbered(before: Project, pending: Iterable[tuple[EventType, str]]) -> tuple[Event, ...]:
    """Turn the (type, dedup key) pairs of one response into events with sequence numbers."""
    return tuple(
        Event(type_, key, before.event_count + number, before.status, before.credits_charged)
        for number, (type_, key) in enumerate(pending, start=1)
    )
