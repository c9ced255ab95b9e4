"""A tracked project as the rules see it: what was stored before an answer, and what is to be stored after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from worker.domain.observation import Download, ProjectError
from worker.domain.status import CloseReason, Kind, State


@dataclass(frozen=True, slots=True)
class Project:
    """One tracked project. Times are aware; ``None`` means not known yet."""

    kind: Kind
    project_id: str
    account: str
    opened_at: datetime
    state: State = "active"
    close_reason: CloseReason | None = None
    closed_at: datetime | None = None
    status: str | None = None
    credits_charged: int | None = None
    error: ProjectError | None = None
    downloads: tuple[Download, ...] = field(default=(), repr=False)
    type: str | None = None
    name: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    created_at: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stalled_at: datetime | None = None
    last_observed_at: datetime | None = None
    missing_since: datetime | None = None
    missing_count: int = 0
    failure_count: int = 0
    last_problem: str | None = None
    settling_since: datetime | None = None
    transition_count: int = 0
    adjustment_count: int = 0
    event_count: int = 0
    closing_count: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether tracking has ended."""
        return self.state == "closed"


class Glimpse(NamedTuple):
    """The fields of a Project that matter while it is active, has no error and no downloads, and its checks work."""

    kind: Kind
    opened_at: datetime
    queued_at: datetime | None
    last_observed_at: datetime | None
    status: str | None
    credits_charged: int | None
    type: str | None
    name: str | None
    width: int | None
    height: int | None
    fps: float | None
    created_at: datetime | None
