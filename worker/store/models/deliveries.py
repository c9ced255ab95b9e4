"""Events on their way, and the destinations they go to."""

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.domain.deliveries.states import STATES
from worker.store.models.base import Base, one_of, partial
from worker.store.types import BigId

# Unfinished deliveries. Queries must repeat this condition verbatim to use the partial index.
OPEN: Final = "state IN ('pending', 'failed') OR confirm_by IS NOT NULL"


class Delivery(Base):
    """One event on its way to one destination.

    ``next_attempt_at`` is when something is to be done about an open one: an attempt, the end of the lease of one that
    is under way (``leased_until``), or the end of the wait for its confirmation (``confirm_by``).
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "destination"),
        CheckConstraint(one_of("state", STATES), name="state"),
        CheckConstraint("state NOT IN ('sent', 'confirmed') OR sent_at IS NOT NULL", name="sent"),
        CheckConstraint("state <> 'confirmed' OR confirmed_at IS NOT NULL", name="confirmed"),
        partial("ix_deliveries_pending", "next_attempt_at", where="state = 'pending'"),
        partial("ix_deliveries_pending_created", "created_at", where="state = 'pending'"),
        partial("ix_deliveries_dead", "created_at", where="state = 'dead'"),
        partial("ix_deliveries_dead_id", "id", where="state = 'dead'"),
        partial("ix_deliveries_open", "destination", "next_attempt_at", where=OPEN),
        partial("ix_deliveries_open_created", "created_at", where=OPEN),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), ForeignKey("events.id"))
    destination: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(9), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    first_attempt_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    confirm_token: Mapped[str | None] = mapped_column(String(32))
    confirm_by: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_seconds: Mapped[float | None]


class Destination(Base):
    """A destination that events have gone to: its pause, and its circuit (worker/domain/deliveries/circuit.py)."""

    __tablename__ = "destinations"
    __table_args__ = (CheckConstraint("failures >= 0 AND probes >= 0", name="counts"),)

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    paused: Mapped[bool] = mapped_column(default=False, server_default=false())
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    probes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failing_since: Mapped[datetime | None]
    open_until: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    looked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None] = mapped_column(String(200))
    pause_reason: Mapped[str | None] = mapped_column(Text)
    resumed_at: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_seconds: Mapped[float | None]
