"""Observed changes, and the events that report them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.domain.projects.ledger import REASONS
from worker.domain.projects.status import SOURCES
from worker.store.models.base import Base, one_of
from worker.store.models.feed_position import NextFeedPosition
from worker.store.types import BigId


class StatusTransition(Base):
    """One observed change of status. It happened after ``observed_after``, at ``observed_at`` at the latest."""

    __tablename__ = "status_transitions"
    __table_args__ = (
        UniqueConstraint("tracked_project_id", "sequence"),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("from_status IS NULL OR from_status <> to_status", name="changes"),
        CheckConstraint("(sequence = 1) = (from_status IS NULL)", name="first_sight"),
        CheckConstraint("observed_after IS NULL OR observed_after <= observed_at", name="order"),
        CheckConstraint(one_of("source", SOURCES), name="source"),
        Index("ix_status_transitions_observed_at", "observed_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tracked_project_id: Mapped[int] = mapped_column(BigId, ForeignKey("tracked_projects.id"))
    sequence: Mapped[int]
    from_status: Mapped[str | None] = mapped_column(String(200))
    to_status: Mapped[str] = mapped_column(String(200))
    observed_at: Mapped[datetime]
    observed_after: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(String(6))


class CreditAdjustment(Base):
    """One entry of the credit ledger: a signed amount, and the total after it."""

    __tablename__ = "credit_adjustments"
    __table_args__ = (
        UniqueConstraint("tracked_project_id", "sequence"),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint(one_of("reason", REASONS), name="reason"),
        CheckConstraint(one_of("source", SOURCES), name="source"),
        CheckConstraint("CASE WHEN sequence = 1 THEN amount = total ELSE amount <> 0 END", name="amount"),
        CheckConstraint("reason <> 'refund' OR amount < 0", name="refund_is_negative"),
        CheckConstraint("observed_after IS NULL OR observed_after <= observed_at", name="order"),
        CheckConstraint("corrects IS NULL OR corrects < sequence", name="corrects_an_earlier_one"),
        # With the columns that sums need, for index-only scans.
        Index("ix_credit_adjustments_observed_at", "observed_at", "tracked_project_id", "amount", "sequence"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tracked_project_id: Mapped[int] = mapped_column(BigId, ForeignKey("tracked_projects.id"))
    sequence: Mapped[int]
    reason: Mapped[str] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str | None] = mapped_column(String(200))
    observed_at: Mapped[datetime]
    observed_after: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(String(6))
    corrects: Mapped[int | None]
    flagged: Mapped[bool] = mapped_column(default=False, server_default=false())


class Event(Base):
    """An event about a project, stored with the change that caused it."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("tracked_project_id", "dedup_key"),
        UniqueConstraint("tracked_project_id", "sequence"),
        Index("ix_events_created_at", "created_at"),
        Index("ix_events_feed", "feed_position", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tracked_project_id: Mapped[int] = mapped_column(BigId, ForeignKey("tracked_projects.id"))
    sequence: Mapped[int]
    type: Mapped[str] = mapped_column(String(40))
    dedup_key: Mapped[str] = mapped_column(String(60))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    feed_position: Mapped[int] = mapped_column(BigInteger, default=NextFeedPosition(), server_default=text("0"))
