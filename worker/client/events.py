"""What an event holds, typed: for consumers, and the source of the JSON Schemas in docs/schemas."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.client.base_errors import InvalidInputError

SCHEMA_VERSION: Final = 2


class _Part(BaseModel):
    # A later version may add fields; they are kept.
    model_config = ConfigDict(extra="allow", frozen=True, json_schema_serialization_defaults_required=True)


class ProjectError(_Part):
    """Why a project failed. The codes are Magic Hour's, and new ones appear: branch on few of them."""

    code: str | None
    message: str | None


class Download(_Part):
    """A signed link to a finished file. Anyone who has it can fetch the file until it expires, usually in 24 hours."""

    url: str = Field(repr=False)
    expires_at: str | None


class CheckFailure(_Part):
    """Why the last check of a project failed."""

    kind: str
    detail: str | None
    message: str | None = Field(description="what the API itself said")
    failed_checks: int = Field(description="in a row")
    since: datetime | None


class Event(_Part):
    """An event about one project. Deduplicate by ``id``: deliveries are made at least once."""

    schema_version: int = Field(ge=1, description="rises when fields are added; none is removed or changes its meaning")
    id: str = Field(description="of the event: the same at every delivery")
    type: str
    occurred_at: datetime = Field(description="when it was recorded, UTC")
    account: str
    kind: Literal["video", "image", "audio"]
    project_id: str
    project_type: str | None = Field(description="as Magic Hour says, such as TEXT_TO_VIDEO; new ones appear")
    sequence: int = Field(ge=1, description="counts the project's events from 1")
    state: Literal["active", "settling", "closed"]
    previous_status: str | None
    status: str | None
    credits_before: int | None
    credits_after: int | None
    error: ProjectError | None
    downloads: list[Download]
    metadata: dict[str, Any] = Field(description="what came with the tracking request")
    # Version 2. The defaults are for events that were stored before.
    name: str | None = None
    width: int | None = Field(None, description="pixels")
    height: int | None = Field(None, description="pixels")
    fps: float | None = Field(None, description="an estimate until the project is complete")
    start_seconds: float | None = Field(None, description="where in its source the render starts")
    end_seconds: float | None = Field(None, description="where in its source the render ends")
    image_count: int | None = None
    created_at: datetime | None = Field(None, description="when Magic Hour says the project was created")
    expected_credits: int | None = Field(None, description="the first price: the create call's, or the first one seen")
    tracked_by: str | None = Field(None, description="whose request tracked it first")

    @property
    def is_example(self) -> bool:
        """Whether ``renderwatch trigger`` sent it: then its project does not exist."""
        return (self.model_extra or {}).get("example") is True


class SettledEvent(Event):
    """The price is final, and tracking has ended."""

    credits_outstanding: int | None = Field(None, description="what a failed or canceled project still costs")


class EventWithReason(Event):
    """An event that may come from checks that fail."""

    reason: CheckFailure | None = Field(None, description="why the last check failed; null if it did not")


class StalledEvent(EventWithReason):
    """The project takes far too long, or cannot be checked."""

    stalled_because: str | None = Field(None, description="running_too_long, refused or checks_failing")


EVENT_MODELS: Final[Mapping[str, type[Event]]] = {
    "project.started": Event,
    "project.completed": Event,
    "project.failed": Event,
    "project.canceled": Event,
    "project.credits_adjusted": Event,
    "project.settled": SettledEvent,
    "project.stalled": StalledEvent,
    "project.changed": Event,
    "project.missing": EventWithReason,
    "project.deleted": Event,
    "project.expired": EventWithReason,
}


def parse_event(payload: Mapping[str, Any]) -> Event:
    """Read the payload of an event, of a type that is not known too. Raises InvalidInputError."""
    if not isinstance(payload, Mapping):
        raise InvalidInputError(f"this is no event of Renderwatch: it is a {type(payload).__name__}, not an object")
    try:
        return EVENT_MODELS.get(str(payload.get("type")), Event).model_validate(payload)
    except ValidationError as error:
        first, count = error.errors()[0], error.error_count()
        more = f", and {count - 1} more errors" if count > 1 else ""
        where = ".".join(map(str, first["loc"]))
        raise InvalidInputError(f"this is no event of Renderwatch: {where}: {first['msg']}{more}") from None
