"""What one answer of the API said about one project."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ProjectError:
    """Why a project failed. ``code`` is an open set of words: branch on few of them."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Download:
    """A signed link to a finished file. Whoever has the URL has the file, so the repr leaves it out."""

    url: str = field(repr=False)
    expires_at: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One valid answer about one project. Times are aware; credits are whole numbers, as seen."""

    project_id: str
    status: str
    credits_charged: int
    enabled: bool
    created_at: datetime
    error: ProjectError | None = None
    downloads: tuple[Download, ...] = ()
    type: str | None = None
    name: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


class Problem(StrEnum):
    """The ways in which a check can end without an observation."""

    BAD_ANSWER = "bad_answer"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    PAYMENT_REQUIRED = "payment_required"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A check that brought no observation: what went wrong, in a sentence without secrets.

    ``retry_after`` is in seconds, when the API asked for a pause.
    """

    problem: Problem
    detail: str
    retry_after: float | None = None


Answer = Observation | Trouble
