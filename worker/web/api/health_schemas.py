"""The schema of the health response."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.monitoring.health import Health as JudgedHealth


class HealthFinding(BaseModel):
    """A finding: something that is wrong. ``code`` is for programs and does not change."""

    code: str = Field(examples=["checks_not_consumed"])
    severity: Literal["warning", "critical"]
    summary: str
    cost: str = Field(description="what it costs while it lasts")
    fix: str = Field(description="the command that fixes it", examples=["renderwatch worker"])
    since: datetime | None
    subject: str | None = Field(description="the account concerned, if any")
    count: int | None = Field(description="how many projects, deliveries or requests it concerns; stops at 10,000")


class PausedDestination(BaseModel):
    """A destination that an operator paused: no finding, because nothing is wrong."""

    destination: str = Field(description="as people see it: of a URL, a digest instead of the path")
    since: datetime | None
    by: str | None
    reason: str | None
    waiting: int = Field(description="events that wait for it; at most 10,000 are counted")


class Health(BaseModel):
    """The health of the system."""

    status: Literal["ok", "warning", "critical"]
    now: datetime = Field(description="the database's time")
    findings: list[HealthFinding]
    active: int
    settling: int
    due: int
    overdue: int = Field(description="due for more than 2 minutes")
    oldest_due: datetime | None
    stalled: int
    paused_accounts: int
    paused_destinations: list[PausedDestination]
    pending_deliveries: int
    dead_deliveries: int
    rejected_requests: int = Field(description="within the last 24 hours")
    mean_delay: float | None = Field(description="seconds; of the ends detected in the last hour")
    target_delay: float = Field(description="seconds")
    last_beat: datetime | None
    last_dispatch: datetime | None
    last_check: datetime | None = Field(description="when a batch of checks was last recorded, to 5 seconds")

    @classmethod
    def of(cls, health: JudgedHealth) -> Self:
        """Convert the domain's health."""
        own = {"status", "findings", "paused_destinations"}
        facts = {name: getattr(health.facts, name) for name in cls.model_fields if name not in own}
        found = [HealthFinding(**asdict(each)) for each in health.findings]
        paused = [
            PausedDestination(
                destination=shown_destination(each.name),
                since=each.since,
                by=each.by,
                reason=each.reason,
                waiting=each.waiting,
            )
            for each in health.facts.paused_destinations
        ]
        return cls(status=health.status, findings=found, paused_destinations=paused, **facts)
