"""News for downstream: its types, what makes one unique, and the payload that others read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from worker.domain.project import Project

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
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)
SCHEMA_VERSION: Final = 1

FINISHED: Final[dict[str, EventType]] = {
    "complete": "project.completed",
    "error": "project.failed",
    "canceled": "project.canceled",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news about one project, before it has an id.

    A project has at most one event with the same ``dedup_key``; ``sequence`` counts a project's events from 1.
    """

    type: EventType
    dedup_key: str
    sequence: int
    previous_status: str | None
    credits_before: int | None


def payload(event: Event, event_id: str, project: Project, occurred_at: datetime) -> dict[str, Any]:
    """Return what a destination receives: JSON values only, times in ISO 8601 with their zone.

    ``project`` is the project after the change that the event tells of.
    """
    error = project.error
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
    }


def numbered(before: Project, news: Iterable[tuple[EventType, str]]) -> tuple[Event, ...]:
    """Give sequence numbers to (type, dedup key) pairs that follow from one answer."""
    return tuple(
        Event(type_, key, before.event_count + number, before.status, before.credits_charged)
        for number, (type_, key) in enumerate(news, start=1)
    )
