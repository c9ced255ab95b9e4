"""The shapes of the API's answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from worker.domain.status import CloseReason, Kind, Source, State

_ID = "cmb1xk2v80000l70"


class ProjectError(BaseModel):
    """What Magic Hour says went wrong."""

    code: str = Field(examples=["no_source_face"])
    message: str = Field(examples=["Please use an image with a detectable face"])


class Download(BaseModel):
    """A finished file. The link is signed, and works for some hours."""

    url: str
    expires_at: str | None = None


class Project(BaseModel):
    """A project we follow. ``status`` is what Magic Hour last said, ``state`` is ours."""

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
    fps: float | None
    downloads: list[Download]
    metadata: dict[str, Any] = Field(examples=[{"order": 4711}])
    notify: dict[str, Any]
    created_at: datetime | None = Field(description="as Magic Hour says")
    tracked_at: datetime
    queued_at: datetime | None = Field(description="when it was last seen to wait in the queue")
    started_at: datetime | None = Field(description="when it was first seen rendering")
    finished_at: datetime | None = Field(description="when its end was seen")
    closed_at: datetime | None
    last_observed_at: datetime | None
    next_check_at: datetime | None
    check_count: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make one of a stored row."""
        code = row["error_code"]
        error = None if code is None else ProjectError(code=code, message=row["error_message"] or "")
        return cls(error=error, **{name: row[name] for name in cls.model_fields if name != "error"})


class ProjectPage(BaseModel):
    """A page of projects."""

    data: list[Project]
    next_cursor: str | None = Field(description="send it as cursor for the next page; null: there is none")
    searched_back_to: datetime | None = Field(
        description="set when so far only projects tracked since then were searched: follow next_cursor to go on"
    )


class Tracked(BaseModel):
    """What became of one tracking request."""

    tracked: Literal["new", "known", "reopened"]
    project: Project


class Rejection(BaseModel):
    """An item that was not taken."""

    position: int = Field(description="its place in the list, 0 for the first")
    reason: str


class TrackedMany(BaseModel):
    """What became of a list of tracking requests: good items are stored, also beside bad ones."""

    new: int
    known: int
    reopened: int
    rejected: list[Rejection]


class Transition(BaseModel):
    """An observed change of status. It happened after ``observed_after`` and not later than ``observed_at``."""

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


class News(BaseModel):
    """An event of a project, and how many of its deliveries are pending, sent and dead."""

    sequence: int
    type: str = Field(examples=["project.completed"])
    id: str
    created_at: datetime
    pending: int
    sent: int
    dead: int


class NewsList(BaseModel):
    """All events of a project, in order."""

    data: list[News]


class Account(BaseModel):
    """A Magic Hour account: what it may ask, and whether it is paused."""

    name: str
    has_key: bool
    open_projects: int
    rate: float = Field(description="requests a second that it may send now")
    tokens: float = Field(description="requests saved up")
    price: float = Field(description="the seconds of delay that one request is worth")
    paused_until: datetime | None
    pause_reason: str | None


class Accounts(BaseModel):
    """All accounts."""

    data: list[Account]


class Delivery(BaseModel):
    """One event on its way to one destination."""

    id: int
    event_id: str
    event_type: str
    kind: Kind
    project_id: str
    destination: str = Field(examples=["celery:studio.on_render?queue=studio"])
    state: Literal["pending", "sent", "dead"]
    attempts: int
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime
    sent_at: datetime | None


class DeliveryDetails(Delivery):
    """A delivery with what it carries."""

    payload: dict[str, Any]


class DeliveryPage(BaseModel):
    """A page of deliveries, the latest first."""

    data: list[Delivery]
    next_before: int | None = Field(description="send it as before for the next page; null: there is none")


class Done(BaseModel):
    """That it was done, and noted with the token's name."""

    done: Literal[True] = True


class Replayed(BaseModel):
    """The deliveries that are sent again."""

    replayed: list[int]
