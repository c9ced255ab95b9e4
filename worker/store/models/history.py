"""What was observed, and the news of it on its way."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.domain.ledger import REASONS
from worker.domain.status import SOURCES
from worker.store.feed import NextFeedPosition
from worker.store.models.base import Base, one_of, partial
from worker.store.types import BigId


class StatusTransition(Base):
    """One observed change of status. It happened after ``observed_after`` and not later than ``observed_at``."""

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
        # With what sums need, so that they are read from the index alone.
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
    """One piece of news about a project, stored with the change that caused it."""

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


class Delivery(Base):
    """One event on its way to one destination."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "destination"),
        CheckConstraint("state IN ('pending', 'sent', 'dead')", name="state"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        partial("ix_deliveries_pending", "next_attempt_at", where="state = 'pending'"),
        partial("ix_deliveries_dead", "created_at", where="state = 'dead'"),
        partial("ix_deliveries_dead_id", "id", where="state = 'dead'"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), ForeignKey("events.id"))
    destination: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(7), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
