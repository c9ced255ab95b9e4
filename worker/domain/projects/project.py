"""A tracked project, as the rules read and change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from worker.domain.projects.observation import Download, ProjectError
from worker.domain.projects.status import CloseReason, Kind, State


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
    start_seconds: float | None = None
    end_seconds: float | None = None
    image_count: int | None = None
    created_at: datetime | None = None
    expected_credits: int | None = None
    tracked_by: str | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stalled_at: datetime | None = None
    last_observed_at: datetime | None = None
    missing_since: datetime | None = None
    missing_count: int = 0
    failure_count: int = 0
    last_problem: str | None = None
    last_problem_detail: str | None = None
    last_problem_message: str | None = None
    last_problem_at: datetime | None = None
    failing_since: datetime | None = None
    odd_fields: str | None = None
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

    @property
    def is_stalled(self) -> bool:
        """Whether it was reported as stalled and has neither finished nor been closed since."""
        return self.stalled_at is not None and self.finished_at is None and not self.closed


class RunningProject(NamedTuple):
    """The fields of a Project that matter while it is active without errors, downloads or failing checks."""

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
    odd_fields: str | None
