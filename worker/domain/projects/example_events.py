"""An example of each event, as ``renderwatch trigger`` sends it and docs/events.md shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.domain.projects.events import Event, EventType, payload
from worker.domain.projects.observation import Download, FailureKind, ProjectError
from worker.domain.projects.project import Project

PROJECT_ID: Final = "cmb1xk2v80000l70cf3q9d2ab"
AT: Final = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
_FILE: Final = f"https://videos.magichour.ai/{PROJECT_ID}/output.mp4?signature=…"
_FINISHED: Final = {"state": "settling", "status": "complete", "credits_charged": 360, "fps": 24.0}
_FAILED: Final = {
    "state": "settling",
    "status": "error",
    "error": ProjectError("no_source_face", "Please use an image with a detectable face"),
}


@dataclass(frozen=True, slots=True)
class _Example:
    """How an example differs from a rendering video, and its previous status and credits."""

    sequence: int
    previous_status: str
    credits_before: int = 450
    changes: Mapping[str, Any] = field(default_factory=dict)
    has_file: bool = False
    failing_for: timedelta | None = None


_CLOSED: Final = {"state": "closed"}
_NOT_FOUND: Final = {
    "last_problem": str(FailureKind.NOT_FOUND),
    "last_problem_detail": "the API does not find this (404)",
    "last_problem_message": "Not Found",
    "failure_count": 6,
}
_FORBIDDEN: Final = {
    "last_problem": str(FailureKind.FORBIDDEN),
    "last_problem_detail": "the API forbids this with the account's key (403), but the account's key works: this"
    " project alone is refused",
    "last_problem_message": "plan_upgrade_required: This model is not in your plan",
    "failure_count": 12,
}
_EXAMPLES: Final[Mapping[EventType, _Example]] = {
    "project.started": _Example(1, "queued"),
    "project.completed": _Example(2, "rendering", changes=_FINISHED, has_file=True),
    "project.failed": _Example(3, "rendering", changes=_FAILED),
    "project.canceled": _Example(4, "rendering", changes={"state": "settling", "status": "canceled"}),
    "project.credits_adjusted": _Example(4, "error", changes={**_FAILED, "credits_charged": 0}),
    "project.settled": _Example(4, "complete", 360, {**_FINISHED, **_CLOSED}, has_file=True),
    "project.stalled": _Example(4, "rendering", changes=_FORBIDDEN, failing_for=timedelta(seconds=3602)),
    "project.changed": _Example(4, "error", 0, {**_FINISHED, "credits_charged": 0}, has_file=True),
    "project.missing": _Example(
        4,
        "queued",
        changes={**_CLOSED, **_NOT_FOUND, "status": "queued"},
        failing_for=timedelta(seconds=629),
    ),
    "project.deleted": _Example(4, "complete", 360, {**_FINISHED, **_CLOSED}),
    "project.expired": _Example(4, "rendering", changes=_CLOSED),
}


def example_payload(
    event_type: EventType,
    event_id: str,
    at: datetime = AT,
    *,
    project_id: str = PROJECT_ID,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a payload of this type, about a project that does not exist."""
    example = _EXAMPLES[event_type]
    project = Project(
        kind="video",
        project_id=project_id,
        account="default",
        opened_at=at,
        status="rendering",
        type="TEXT_TO_VIDEO",
        name="Sunset over the sea",
        width=1280,
        height=720,
        fps=30.0,
        start_seconds=0.0,
        end_seconds=15.0,
        created_at=at - timedelta(minutes=4),
        credits_charged=450,
        expected_credits=450,
        tracked_by="studio",
        downloads=(Download(_FILE, (at + timedelta(days=1)).isoformat()),) if example.has_file else (),
        failing_since=at - example.failing_for if example.failing_for else None,
        metadata={"order": 4711} if metadata is None else metadata,
    )
    event = Event(event_type, "example", example.sequence, example.previous_status, example.credits_before)
    return payload(event, event_id, replace(project, **example.changes), at)
