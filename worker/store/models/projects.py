"""Accounts, tracked projects, and the leases under which projects are checked."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.domain.projects.status import CLOSE_REASONS, KINDS, STATES
from worker.store.models.base import Base, one_of, partial
from worker.store.types import BigId, IdList


class Account(Base):
    """A Magic Hour account: its name and rate limit. Its key is only in the settings."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("rate_factor > 0 AND rate_factor <= 1", name="rate_factor"),
        CheckConstraint("price > 0", name="price"),
    )

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[datetime]
    rate_factor: Mapped[float] = mapped_column(default=1.0)
    paused_until: Mapped[datetime | None]
    pause_reason: Mapped[str | None] = mapped_column(String(40))
    failure_streak: Mapped[int] = mapped_column(default=0)
    price: Mapped[float | None]
    answered_at: Mapped[datetime | None]
    pause_detail: Mapped[str | None] = mapped_column(Text)


class TrackedProject(Base):
    """A tracked project."""

    __tablename__ = "tracked_projects"
    __table_args__ = (
        UniqueConstraint("kind", "project_id"),
        CheckConstraint(one_of("kind", KINDS), name="kind"),
        CheckConstraint(one_of("state", STATES), name="state"),
        CheckConstraint(one_of("close_reason", CLOSE_REASONS), name="close_reason"),
        CheckConstraint(
            "(state = 'closed') = (close_reason IS NOT NULL) AND (state = 'closed') = (closed_at IS NOT NULL)",
            name="closed_for_a_reason",
        ),
        CheckConstraint("state = 'closed' OR next_check_at IS NOT NULL", name="open_is_scheduled"),
        CheckConstraint(
            "(lease_token IS NULL) = (leased_until IS NULL) AND (lease_token IS NULL) = (claimed_at IS NULL)",
            name="lease",
        ),
        CheckConstraint("(credits_charged IS NULL) = (adjustment_count = 0)", name="credits_have_a_ledger"),
        CheckConstraint("(status IS NULL) = (transition_count = 0)", name="status_has_a_history"),
        partial("ix_tracked_projects_due", "account", "next_check_at", where="next_check_at IS NOT NULL"),
        Index("ix_tracked_projects_state", "state"),
        partial("ix_tracked_projects_open", "kind", "state", where="state <> 'closed'"),
        partial("ix_tracked_projects_finished_at", "finished_at", where="finished_at IS NOT NULL"),
        partial("ix_tracked_projects_closed_at", "closed_at", where="closed_at IS NOT NULL"),
        partial("ix_tracked_projects_failed", "finished_at", where="status = 'error'"),
        partial(
            "ix_tracked_projects_refund_due",
            "finished_at",
            where="status IN ('error', 'canceled') AND credits_charged > 0",
        ),
        partial("ix_tracked_projects_stalled", "stalled_at", where="stalled_at IS NOT NULL AND state <> 'closed'"),
        partial("ix_tracked_projects_odd", "account", "kind", where="odd_fields IS NOT NULL"),
        partial("ix_tracked_projects_kind_finished", "kind", "finished_at", where="finished_at IS NOT NULL"),
        partial("ix_tracked_projects_finished", "kind", "type", "finished_at", where="finished_at IS NOT NULL"),
        partial("ix_tracked_projects_error_code", "finished_at", "error_code", where="status IN ('error', 'canceled')"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(5))
    project_id: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    state: Mapped[str] = mapped_column(String(8), default="active")
    close_reason: Mapped[str | None] = mapped_column(String(9))
    status: Mapped[str | None] = mapped_column(String(200))
    credits_charged: Mapped[int | None] = mapped_column(BigInteger)
    error_code: Mapped[str | None] = mapped_column(String(200))
    error_message: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None]
    height: Mapped[int | None]
    fps: Mapped[float | None]
    downloads: Mapped[list[Any]] = mapped_column(default=list)
    # "metadata" is reserved by SQLAlchemy.
    caller_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    notify: Mapped[dict[str, Any]] = mapped_column(default=dict)

    created_at: Mapped[datetime | None]
    tracked_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    stalled_at: Mapped[datetime | None]
    settling_since: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    last_observed_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]

    next_check_at: Mapped[datetime | None]
    check_gap: Mapped[float | None]
    lease_token: Mapped[str | None] = mapped_column(String(36))
    leased_until: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    hinted_at: Mapped[datetime | None]

    check_count: Mapped[int] = mapped_column(default=0)
    checks_until_finished: Mapped[int | None]
    detection_delay: Mapped[float | None]
    failure_count: Mapped[int] = mapped_column(default=0)
    last_problem: Mapped[str | None] = mapped_column(String(40))
    missing_count: Mapped[int] = mapped_column(default=0)
    transition_count: Mapped[int] = mapped_column(default=0)
    adjustment_count: Mapped[int] = mapped_column(default=0)
    event_count: Mapped[int] = mapped_column(default=0)
    closing_count: Mapped[int] = mapped_column(default=0)
    last_problem_detail: Mapped[str | None] = mapped_column(Text)
    last_problem_message: Mapped[str | None] = mapped_column(Text)
    last_problem_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    odd_fields: Mapped[str | None] = mapped_column(Text)

    start_seconds: Mapped[float | None]
    end_seconds: Mapped[float | None]
    image_count: Mapped[int | None]
    expected_credits: Mapped[int | None] = mapped_column(BigInteger)
    tracked_by: Mapped[str | None] = mapped_column(String(200))
    trace: Mapped[dict[str, Any] | None]
    hinted_status: Mapped[str | None] = mapped_column(String(20))


class Lease(Base):
    """The right to check a batch of projects until a deadline. Deleted when their results are recorded."""

    __tablename__ = "leases"
    __table_args__ = (CheckConstraint("size > 0", name="size"),)

    token: Mapped[str] = mapped_column(String(36), primary_key=True)
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    tracked_project_ids: Mapped[list[int]] = mapped_column(IdList)
    size: Mapped[int]
    leased_until: Mapped[datetime]
    begun_at: Mapped[datetime | None]


class MetadataValue(Base):
    """One key of a project's metadata, written by triggers whenever the project's metadata is."""

    __tablename__ = "metadata_values"
    __table_args__ = (
        # With the value, for index-only scans of the projects of some days.
        PrimaryKeyConstraint("tracked_project_id", "key", postgresql_include=["value"]),
        Index(
            "ix_metadata_values_value",
            "key",
            "value",
            "tracked_project_id",
            postgresql_ops={"value": "text_pattern_ops"},
        ),
    )

    tracked_project_id: Mapped[int] = mapped_column(BigId, autoincrement=False)
    key: Mapped[str] = mapped_column(Text)
    value: Mapped[str | None] = mapped_column(Text)


class MetadataFill(Base):
    """The single row that says which projects of earlier versions have no rows in ``metadata_values`` yet."""

    __tablename__ = "metadata_fill"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    unfilled_upto: Mapped[int] = mapped_column(BigInteger)
