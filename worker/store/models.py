"""The tables. Remote enumerations are open text; our own are closed by CHECK constraints."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from worker.domain.ledger import REASONS
from worker.domain.status import CLOSE_REASONS, KINDS, SOURCES, STATES
from worker.store.dictionary import describe
from worker.store.feed import NextFeedPosition
from worker.store.types import BigId, Document, IdList, UtcDateTime


def _one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Base(DeclarativeBase):
    """Names for all constraints, so that migrations can speak of them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Document, list[Any]: Document}  # noqa: RUF012  as SQLAlchemy wants it


class Account(Base):
    """A Magic Hour account: its name and its request allowance. Its key is in the settings only."""

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


class TrackedProject(Base):
    """A project we follow."""

    __tablename__ = "tracked_projects"
    __table_args__ = (
        UniqueConstraint("kind", "project_id"),
        CheckConstraint(_one_of("kind", KINDS), name="kind"),
        CheckConstraint(_one_of("state", STATES), name="state"),
        CheckConstraint(_one_of("close_reason", CLOSE_REASONS), name="close_reason"),
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
        _partial("ix_tracked_projects_due", "account", "next_check_at", where="next_check_at IS NOT NULL"),
        Index("ix_tracked_projects_state", "state"),
        _partial("ix_tracked_projects_finished_at", "finished_at", where="finished_at IS NOT NULL"),
        _partial("ix_tracked_projects_closed_at", "closed_at", where="closed_at IS NOT NULL"),
        _partial("ix_tracked_projects_failed", "finished_at", where="status = 'error'"),
        _partial(
            "ix_tracked_projects_refund_due",
            "finished_at",
            where="status IN ('error', 'canceled') AND credits_charged > 0",
        ),
        _partial("ix_tracked_projects_stalled", "stalled_at", where="stalled_at IS NOT NULL AND state <> 'closed'"),
        _partial("ix_tracked_projects_kind_finished", "kind", "finished_at", where="finished_at IS NOT NULL"),
        _partial("ix_tracked_projects_finished", "kind", "type", "finished_at", where="finished_at IS NOT NULL"),
        _partial(
            "ix_tracked_projects_error_code", "finished_at", "error_code", where="status IN ('error', 'canceled')"
        ),
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
    # "metadata" is a name that SQLAlchemy keeps for itself.
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


class Lease(Base):
    """The right to check a batch of projects until a deadline. It goes when their answers are recorded."""

    __tablename__ = "leases"
    __table_args__ = (CheckConstraint("size > 0", name="size"),)

    token: Mapped[str] = mapped_column(String(36), primary_key=True)
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    tracked_project_ids: Mapped[list[int]] = mapped_column(IdList)
    size: Mapped[int]
    leased_until: Mapped[datetime]
    begun_at: Mapped[datetime | None]


class StatusTransition(Base):
    """One observed change of status. It happened after ``observed_after`` and not later than ``observed_at``."""

    __tablename__ = "status_transitions"
    __table_args__ = (
        UniqueConstraint("tracked_project_id", "sequence"),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint("from_status IS NULL OR from_status <> to_status", name="changes"),
        CheckConstraint("(sequence = 1) = (from_status IS NULL)", name="first_sight"),
        CheckConstraint("observed_after IS NULL OR observed_after <= observed_at", name="order"),
        CheckConstraint(_one_of("source", SOURCES), name="source"),
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
        CheckConstraint(_one_of("reason", REASONS), name="reason"),
        CheckConstraint(_one_of("source", SOURCES), name="source"),
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
        _partial("ix_deliveries_pending", "next_attempt_at", where="state = 'pending'"),
        _partial("ix_deliveries_dead", "created_at", where="state = 'dead'"),
        _partial("ix_deliveries_dead_id", "id", where="state = 'dead'"),
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


class Books(Base):
    """The one row that says up to which day the ledger is booked: daily totals hold all entries before that day."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booked_until: Mapped[date]


class CreditDailyTotal(Base):
    """What a day that is over came to, for one account, kind and type; ``type`` is '' while it was not known."""

    __tablename__ = "credit_daily_totals"

    day: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    entries: Mapped[int] = mapped_column(BigInteger)
    charged: Mapped[int] = mapped_column(BigInteger)
    corrected: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)


class BalanceSample(Base):
    """What an account could spend at a moment, as Magic Hour said."""

    __tablename__ = "balance_samples"
    __table_args__ = (UniqueConstraint("account", "observed_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(63), ForeignKey("accounts.name"))
    observed_at: Mapped[datetime]
    credits: Mapped[int] = mapped_column(BigInteger)


class RetiringProject(Base):
    """A project that the present transaction removes: the database lets its history go. Empty between transactions."""

    __tablename__ = "retiring_projects"

    tracked_project_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("tracked_projects.id"), primary_key=True, autoincrement=False
    )


class RetiredCredit(Base):
    """What the ledgers of removed projects came to in a month, for one account, kind and type."""

    __tablename__ = "retired_credits"

    month: Mapped[date] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    entries: Mapped[int] = mapped_column(BigInteger)
    charged: Mapped[int] = mapped_column(BigInteger)
    corrected: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)


class RenderDuration(Base):
    """What was learned of a type: the chance per second that a render of some age ends; type '' is a whole kind."""

    __tablename__ = "render_durations"
    __table_args__ = (CheckConstraint("hazard >= 0", name="hazard"),)

    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    type: Mapped[str] = mapped_column(String(200), primary_key=True)
    age_from: Mapped[float] = mapped_column(primary_key=True)
    age_to: Mapped[float]
    hazard: Mapped[float]
    learned_from: Mapped[int]
    learned_at: Mapped[datetime]


class RejectedRequest(Base):
    """A tracking request that could not be understood, kept for a person to see."""

    __tablename__ = "rejected_requests"
    __table_args__ = (Index("ix_rejected_requests_rejected_at", "rejected_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    rejected_at: Mapped[datetime]


class OperatorAction(Base):
    """Something a person or a program did to a project, and why."""

    __tablename__ = "operator_actions"
    __table_args__ = (Index("ix_operator_actions_tracked_project_id", "tracked_project_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(40))
    tracked_project_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("tracked_projects.id"))
    reason: Mapped[str | None] = mapped_column(Text)
    acted_at: Mapped[datetime]


class ApiToken(Base):
    """A token that a program or a person logs in with. Only its hash is kept; a revoked one stays, for the record."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("token_hash"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(63))
    token_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class WebSession(Base):
    """A browser that is logged in with a token. Only the hash of its cookie is kept."""

    __tablename__ = "web_sessions"
    __table_args__ = (Index("ix_web_sessions_expires_at", "expires_at"),)

    cookie_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(BigId, ForeignKey("api_tokens.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class RequestMinute(Base):
    """How many requests an account was allowed within a minute, for charts."""

    __tablename__ = "request_minutes"

    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    requests: Mapped[int]


class Heartbeat(Base):
    """When a recurring job last ran. Health checks and alerts look at ``dispatch``."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    beat_at: Mapped[datetime]


describe(Base.metadata)
