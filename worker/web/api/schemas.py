"""Schemas of the API's responses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from worker.domain.projects.status import CloseReason, Kind, Source, State
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.estimate import estimate

_ID = "cmb1xk2v80000l70"


class ProjectError(BaseModel):
    """Why the project failed, as reported by Magic Hour."""

    code: str | None = Field(examples=["no_source_face"])
    message: str | None = Field(examples=["Please use an image with a detectable face"])


class Problem(BaseModel):
    """Why the last check of a project failed."""

    kind: str = Field(examples=["bad_answer"])
    detail: str | None = Field(examples=["the answer has no `status`"])
    message: str | None = Field(description="what the API itself said, if anything", examples=["Internal error"])
    at: datetime | None
    since: datetime | None = Field(description="when the first of the consecutive failed checks was")
    failed_checks: int = Field(description="consecutive")


class Download(BaseModel):
    """A finished file. The link is signed and valid for some hours."""

    url: str
    expires_at: str | None = None


class Estimate(BaseModel):
    """When a running project is expected to finish, by what was learned about its type. The times may have passed."""

    finish_at: datetime = Field(
        description="it is as likely to finish before as after; a render in the queue starts now"
    )
    earliest_at: datetime = Field(description="one in ten finishes before")
    latest_at: datetime = Field(description="one in ten finishes after")
    progress: float = Field(ge=0, le=1, description="its age, divided by the expected duration", examples=[0.4])
    source: Literal["learned", "published", "kind"] = Field(
        description="learned from renders of this type here; the vendor's median; learned from all types of this kind"
    )


class Project(BaseModel):
    """A tracked project. ``status`` is what Magic Hour last said, ``state`` is ours."""

    kind: Kind
    project_id: str = Field(examples=[_ID])
    account: str = Field(examples=["default"])
    state: State = Field(description="active; settling: its credits may still change; closed")
    close_reason: CloseReason | None
    status: str | None = Field(
        examples=["rendering"], description="draft, queued, rendering, complete, error, canceled; null: not seen yet"
    )
    type: str | None = Field(examples=["TEXT_TO_VIDEO"])
    name: str | None
    credits_charged: int | None = Field(examples=[450])
    error: ProjectError | None
    width: int | None
    height: int | None
    fps: float | None = Field(description="an estimate until the project is complete")
    start_seconds: float | None
    end_seconds: float | None
    image_count: int | None
    downloads: list[Download]
    expected_credits: int | None = Field(
        description="the first price: the create call's, or the first one seen", examples=[450]
    )
    tracked_by: str | None = Field(
        description="whose request tracked it first: a token's name, a user of the command line, or the host that a"
        " Celery client named, unverified",
        examples=["studio"],
    )
    metadata: dict[str, Any] = Field(examples=[{"order": 4711}])
    notify: dict[str, Any]
    created_at: datetime | None = Field(description="as Magic Hour says")
    tracked_at: datetime
    queued_at: datetime | None = Field(description="when it was last seen in the queue")
    started_at: datetime | None = Field(description="when it was first seen rendering")
    finished_at: datetime | None = Field(description="when its end was seen")
    closed_at: datetime | None
    last_observed_at: datetime | None
    next_check_at: datetime | None
    check_count: int
    estimate: Estimate | None = Field(description="null: it does not run, or nothing is known about its type")
    problem: Problem | None = Field(description="null: the last check succeeded")
    odd_fields: list[str] = Field(
        description="fields of the last response that were not as documented, and were omitted or cut", examples=[[]]
    )

    @classmethod
    def of(cls, row: Mapping[str, Any], durations: Durations, now: datetime) -> Self:
        """Convert a stored row; the estimate follows from the durations."""
        code, message = row["error_code"], row["error_message"]
        made = {
            "error": None if code is None and message is None else ProjectError(code=code, message=message),
            "problem": _problem(row),
            "estimate": _estimate(row, durations, now),
            "odd_fields": row["odd_fields"].split(",") if row["odd_fields"] else [],
        }
        return cls(**made, **{name: row[name] for name in cls.model_fields if name not in made})


def _estimate(row: Mapping[str, Any], durations: Durations, now: datetime) -> Estimate | None:
    made = estimate(row, durations, now)
    return None if made is None else Estimate.model_validate(made, from_attributes=True)


def _problem(row: Mapping[str, Any]) -> Problem | None:
    if row["last_problem"] is None:
        return None
    return Problem(
        kind=row["last_problem"],
        detail=row["last_problem_detail"],
        message=row["last_problem_message"],
        at=row["last_problem_at"],
        since=row["failing_since"],
        failed_checks=row["failure_count"],
    )


class ProjectPage(BaseModel):
    """A page of projects."""

    data: list[Project]
    next_cursor: str | None = Field(description="send it as cursor for the next page; null: there is none")
    searched_back_to: datetime | None = Field(
        description="set when so far only projects tracked since then were searched: follow next_cursor to go on"
    )


class Tracked(BaseModel):
    """The result of a tracking request."""

    tracked: Literal["new", "known", "reopened"]
    added: list[Literal["credits_charged", "metadata", "notify"]] = Field(
        description="what a known project lacked, and this request added"
    )
    ignored: list[Literal["credits_charged", "metadata", "notify"]] = Field(
        description="what differs from the first request, or from the first price, and was not changed"
    )
    note: str | None = Field(description="why the project waits, if it does")
    project: Project


class Rejection(BaseModel):
    """A rejected item."""

    position: int = Field(description="its place in the list, 0 for the first")
    reason: str


class TrackedMany(BaseModel):
    """The result of a list of tracking requests: valid items are stored even if others are rejected."""

    new: int
    known: int
    reopened: int
    completed: int = Field(description="known projects to which a missing price, metadata or routes were added")
    rejected: list[Rejection]
    notes: list[str] = Field(description="accounts whose projects wait, and why")


class Transition(BaseModel):
    """An observed change of status. It happened after ``observed_after``, at ``observed_at`` at the latest."""

    sequence: int
    from_status: str | None
    to_status: str
    observed_at: datetime
    observed_after: datetime | None
    source: Source


class History(BaseModel):
    """All changes of status, in order."""

    data: list[Transition]


class Adjustment(BaseModel):
    """An entry of the credit ledger. The amounts of a project add up to its ``credits_charged``."""

    sequence: int
    reason: Literal["charge", "estimate", "final", "refund", "correction"]
    amount: int
    total: int
    status: str | None
    observed_at: datetime
    observed_after: datetime | None
    source: Source
    corrects: int | None
    flagged: bool


class Ledger(BaseModel):
    """All entries, in order."""

    data: list[Adjustment]


class EventSummary(BaseModel):
    """An event of a project, and the number of its deliveries in each state."""

    sequence: int
    type: str = Field(examples=["project.completed"])
    id: str
    created_at: datetime
    pending: int
    sent: int
    confirmed: int
    failed: int
    dead: int


class EventList(BaseModel):
    """All events of a project, in order."""

    data: list[EventSummary]
