"""The result of one check: an observation or a failure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ProjectError:
    """Why a project failed: a code, a message, or both. The set of codes is open."""

    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """A signed link to a finished file. Anyone with the URL can fetch the file, so the repr omits it."""

    url: str = field(repr=False)
    expires_at: str | None


@dataclass(frozen=True, slots=True)
class Observation:
    """A valid API response about a project. Times are aware; credits are whole numbers.

    ``credits_are_odd``: the price had to be rounded or capped. ``odd_fields`` is a comma-separated list of the fields
    that were cut or omitted because they are not as documented.
    """

    project_id: str
    status: str
    credits_charged: int
    enabled: bool = True
    created_at: datetime | None = None
    error: ProjectError | None = None
    downloads: tuple[Download, ...] = ()
    type: str | None = None
    name: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    image_count: int | None = None
    credits_are_odd: bool = False
    odd_fields: str | None = None


class FailureKind(StrEnum):
    """The ways in which a check can fail."""

    BAD_ANSWER = "bad_answer"
    NOT_FOUND = "not_found"
    # The account is not found either: the base URL or a gateway is wrong, and no project is missing.
    NOTHING_FOUND = "nothing_found"
    UNAUTHORIZED = "unauthorized"
    PAYMENT_REQUIRED = "payment_required"
    # Refused although the key works: the cause is this project.
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    NOT_SENT = "not_sent"
    # The response was valid, but storing it failed.
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """A failed check. ``detail`` is our sentence about what went wrong, without secrets.

    ``retry_after`` is in seconds, if the API asked for a pause. ``message`` is the API's own, bounded and
    without secrets.
    """

    kind: FailureKind
    detail: str
    retry_after: float | None = None
    message: str | None = None

    @property
    def sentence(self) -> str:
        """What went wrong, with the API's own message."""
        return f"{self.detail}: {self.message}" if self.message else self.detail


Answer = Observation | CheckFailure
