"""Schemas for operators: accounts, deliveries and rejected requests."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from worker.domain.deliveries.states import DeliveryState
from worker.domain.projects.status import Kind


class Account(BaseModel):
    """A Magic Hour account: its rate limit, and whether it is paused."""

    name: str
    has_key: bool | None = Field(
        description="whether a worker has its API key; null: nothing is dispatched that could tell"
    )
    open_projects: int
    rate: float = Field(description="requests per second that it may send now")
    tokens: float = Field(description="available requests")
    price: float = Field(description="the seconds of delay that one request is worth")
    paused_until: datetime | None
    pause_reason: str | None
    pause_detail: str | None = Field(description="the same in a sentence, with what the API itself said")


class Accounts(BaseModel):
    """All accounts."""

    data: list[Account]


class Delivery(BaseModel):
    """The delivery of an event to a destination."""

    id: int
    event_id: str
    event_type: str
    kind: Kind
    project_id: str
    destination: str = Field(examples=["celery:studio.on_render?queue=studio"])
    state: DeliveryState
    attempts: int
    last_error: str | None
    last_status: int | None = Field(description="the HTTP status of the last answer of a URL")
    last_seconds: float | None = Field(description="how long the last attempt to send to a URL took")
    created_at: datetime
    next_attempt_at: datetime
    held_until: datetime | None = Field(description="its destination fails and gets no attempt before then")
    is_paused: bool = Field(description="it waits because its destination is paused")
    held_because: str | None = Field(description="the last error of the destination that is held off")
    sent_at: datetime | None
    confirm_by: datetime | None = Field(description="sent again then if no confirmation comes")
    confirmed_at: datetime | None


class MatchingDeliveries(BaseModel):
    """How many deliveries match, and the greatest of their numbers."""

    count: int
    last: int = Field(description="send it with the replay, which leaves out later ones")


class ReplayedPart(BaseModel):
    """How many deliveries will be sent again."""

    replayed: int
    next_after: int | None = Field(description="send it as after to go on; null: there are no more")


class DeliveryDetails(Delivery):
    """A delivery with its payload."""

    payload: dict[str, Any]


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    data: list[Delivery]
    next_before: int | None = Field(description="send it as before for the next page; null: there is none")


class Destination(BaseModel):
    """A destination: how it does, and whether it is paused."""

    destination: str = Field(validation_alias="name", examples=["celery:studio.on_render?queue=studio"])
    shown: str = Field(description="the same as people see it: of a URL, a digest instead of the path")
    paused: bool
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    failing_since: datetime | None = Field(description="since when every attempt has failed")
    open_until: datetime | None = Field(description="its circuit is open: no attempt is made before")
    success_rate: float | None = Field(description="of the events of 24 hours that were tried, the share delivered")
    waiting: int = Field(description="events to be sent, at most 10,000 are counted")
    unconfirmed: int = Field(description="events that were sent and wait for a confirmation; at most 10,000")
    oldest_waiting_at: datetime | None
    attempted_at: datetime | None = Field(description="when an attempt was last recorded")
    last_status: int | None = Field(description="the HTTP status of the last answer of a URL")
    last_seconds: float | None = Field(description="how long the last attempt to send to a URL took")
    last_error: str | None = Field(description="why the last attempt failed; null after a success")
    last_success_at: datetime | None


class Destinations(BaseModel):
    """Destinations: those paused or failing first, then those used last; at most 200."""

    data: list[Destination]


class Paused(BaseModel):
    """Whether a destination is paused now, and whether this request changed that."""

    destination: str
    paused: bool
    changed: bool


class RejectedRequest(BaseModel):
    """A tracking request that arrived by message and was rejected."""

    id: int
    rejected_at: datetime
    reason: str
    request: str = Field(description="the request, up to 64 KiB")
    request_bytes: int
    is_cut: bool


class RejectedPage(BaseModel):
    """A page of rejected requests, newest first."""

    data: list[RejectedRequest]
    next_before: int | None = Field(description="send it as before for the next page; null: there is none")


class Done(BaseModel):
    """The action was done, and recorded with the token's name."""

    done: Literal[True] = True


class Replayed(BaseModel):
    """The deliveries that will be sent again."""

    replayed: list[int]


class MetadataValue(BaseModel):
    """A value of a metadata key, with its sums."""

    value: str | None = Field(description="null: all values that are nested or longer than 200 characters")
    spent: int = Field(description="credits since the time asked for")
    refunded: int = Field(description="credits since the time asked for")
    failed: int = Field(description="projects that ended with an error since the time asked for")
    open: int = Field(description="projects that are open now")


class MetadataValues(BaseModel):
    """The values of a metadata key, highest spend first."""

    data: list[MetadataValue]
    has_more: bool = Field(description="whether there are more values than `limit`")
    complete: bool = Field(description="false while older projects are being added after an upgrade")
