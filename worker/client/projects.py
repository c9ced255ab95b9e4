"""Projects as the API shows them, and the requests that track them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from worker.client.base_errors import InvalidInputError
from worker.client.events import Download, ProjectError

# The API's limit for one request.
_MOST_PROJECTS: Final = 10_000
_MOST_BYTES: Final = 3 * 1024 * 1024
_TERMINAL: Final = frozenset({"complete", "error", "canceled"})
Notify = Sequence[str] | Mapping[str, Sequence[str]]


class _Part(BaseModel):
    # A later version may add fields; they are kept.
    model_config = ConfigDict(extra="allow", frozen=True)


class LastFailure(_Part):
    """Why the last check of a project failed."""

    kind: str
    detail: str | None
    message: str | None = Field(description="what Magic Hour's API itself said")
    at: datetime | None
    since: datetime | None
    failed_checks: int


class Estimate(_Part):
    """When a running project is expected to finish: between ``earliest_at`` and ``latest_at`` in four of five cases.

    ``finish_at`` is the median. A time that has passed means that it has probably finished since its last check.
    """

    finish_at: datetime
    earliest_at: datetime
    latest_at: datetime
    progress: float = Field(description="from 0 to 1: its age, divided by the expected duration")
    source: str = Field(description="learned, published (the vendor's median) or kind (all types of its kind)")


class Project(_Part):
    """A tracked project. ``status`` is what Magic Hour last said, ``state`` how far tracking is."""

    kind: str
    project_id: str
    account: str
    state: str = Field(description="active; settling: finished, its credits may still change; closed")
    close_reason: str | None = Field(description="settled, missing, deleted, expired or untracked")
    status: str | None = Field(description="queued, rendering, complete, error, canceled, …; None: not seen yet")
    type: str | None
    name: str | None
    credits_charged: int | None
    error: ProjectError | None
    width: int | None
    height: int | None
    fps: float | None
    start_seconds: float | None
    end_seconds: float | None
    image_count: int | None
    downloads: list[Download]
    expected_credits: int | None
    tracked_by: str | None
    metadata: dict[str, Any]
    notify: dict[str, Any]
    created_at: datetime | None
    tracked_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    closed_at: datetime | None
    last_observed_at: datetime | None
    next_check_at: datetime | None
    check_count: int
    estimate: Estimate | None = Field(None, description="None: it does not run, or nothing is known about its type")
    problem: LastFailure | None = Field(description="None: the last check went well")
    odd_fields: list[str]

    @property
    def is_finished(self) -> bool:
        """Whether the render has ended: complete, failed or canceled, or lost sight of."""
        return self.status in _TERMINAL or self.state == "closed"

    @property
    def is_settled(self) -> bool:
        """Whether tracking has ended: its credits are final, or ``close_reason`` says why they are not known."""
        return self.state == "closed"


class Tracked(_Part):
    """The outcome of a request to track a project."""

    tracked: str = Field(description="new, known or reopened")
    added: list[str] = Field(description="what a known project lacked, and this request added")
    ignored: list[str] = Field(description="what differs from the first request, and was left as it is")
    note: str | None = Field(description="why the project waits, if it does")
    project: Project


class Rejection(_Part):
    """A rejected project: its position in the list, from 0, and the reason."""

    position: int
    reason: str


class TrackedMany(_Part):
    """The outcome of tracking many projects: valid ones are tracked even if others are rejected."""

    new: int = 0
    known: int = 0
    reopened: int = 0
    completed: int = Field(0, description="known ones that lacked a price, metadata or destinations, and have them now")
    rejected: list[Rejection] = []
    notes: list[str] = []


def combine(parts: Iterable[tuple[int, TrackedMany]]) -> TrackedMany:
    """Combine the responses to the parts of a list, each with the position of its first project."""
    total: dict[str, Any] = {"new": 0, "known": 0, "reopened": 0, "completed": 0, "rejected": [], "notes": []}
    for start, part in parts:
        for name in ("new", "known", "reopened", "completed"):
            total[name] += getattr(part, name)
        total["rejected"] += [Rejection(position=start + one.position, reason=one.reason) for one in part.rejected]
        total["notes"] += [note for note in part.notes if note not in total["notes"]]
    return TrackedMany(**total)


def split(items: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """Split a list into parts within the API's limits, each with the position of its first item."""
    start, part, size = 0, list[Mapping[str, Any]](), 0
    for position, item in enumerate(items):
        length = len(json.dumps(item))
        if part and (len(part) == _MOST_PROJECTS or size + length > _MOST_BYTES):
            yield start, part
            start, part, size = position, [], 0
        part.append(item)
        size += length
    if part:
        yield start, part


def requests_of(
    projects: Iterable[object], kind: str | None
) -> tuple[list[int], list[Mapping[str, Any]], list[Rejection]]:
    """Return the requests that track projects, each with its position, and rejections of what cannot be understood."""
    positions, requests, rejected = list[int](), list[Mapping[str, Any]](), list[Rejection]()
    for position, project in enumerate(projects):
        try:
            requests.append(request_of(project, kind=kind))
            positions.append(position)
        except InvalidInputError as error:
            rejected.append(Rejection(position=position, reason=str(error)))
    return positions, requests, rejected


def request_of(
    project: object,
    *,
    kind: str | None = None,
    account: str | None = None,
    credits_charged: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    notify: Notify | None = None,
    type_: str | None = None,
) -> dict[str, Any]:
    """Return the request that tracks a project: an id, a create call's response (object or dict), or a request.

    Raises InvalidInputError if it has no id, its kind cannot be determined, or it is not JSON.
    """
    found = _fields(project)
    details = found.get("metadata") if metadata is None else metadata
    given = {
        "kind": kind or found.get("kind") or _kind_of(project, found),
        "project_id": found.get("project_id") or found.get("id"),
        "account": account or found.get("account"),
        "credits_charged": found.get("credits_charged") if credits_charged is None else credits_charged,
        "metadata": dict(details) if isinstance(details, Mapping) else details,
        "notify": found.get("notify") if notify is None else notify,
        "type": type_ or found.get("type"),
    }
    if not isinstance(given["project_id"], str):
        raise InvalidInputError(
            f"there is no project id in this {type(project).__name__}; give the id or a create response"
        )
    if given["kind"] is None:
        raise InvalidInputError(
            f'whether {given["project_id"]} is a video, an image or an audio is not known; say kind="video"'
        )
    request = {name: value for name, value in given.items() if value is not None}
    try:
        json.dumps(request, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"this request for {given['project_id']} cannot be sent as JSON: {error}") from None
    return request


_FIELDS: Final = ("id", "project_id", "kind", "account", "credits_charged", "metadata", "notify")


def _fields(project: object) -> dict[str, Any]:
    if isinstance(project, str):
        return {"project_id": project}
    if isinstance(project, Mapping):
        return dict(project)
    return {name: getattr(project, name) for name in _FIELDS if hasattr(project, name)}


def _kind_of(project: object, fields: Mapping[str, Any]) -> str | None:
    """Return the kind of a create call's response. It does not name the kind, but each kind has a price field.

    Audio has none: its responses are known by the name of their class in the vendor's SDK.
    """
    name = type(project).__name__
    if _has(project, fields, "estimated_frame_cost") or "VideoProjects" in name:
        return "video"
    if _has(project, fields, "frame_cost") or "ImageProjects" in name:
        return "image"
    return "audio" if re.search(r"Voice|Music|Sound|AudioProjects", name) else None


def _has(project: object, fields: Mapping[str, Any], name: str) -> bool:
    return name in fields if isinstance(project, Mapping) else hasattr(project, name)
