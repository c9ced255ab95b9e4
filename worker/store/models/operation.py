"""Tables for operation: rejected requests, audit log, tokens and sessions, metrics and heartbeats."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models.base import Base, partial
from worker.store.types import BigId


class RejectedRequest(Base):
    """A rejected tracking request, kept for an operator."""

    __tablename__ = "rejected_requests"
    __table_args__ = (
        Index("ix_rejected_requests_rejected_at", "rejected_at"),
        partial("ix_rejected_requests_track_request_id", "track_request_id", where="track_request_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    rejected_at: Mapped[datetime]
    request_bytes: Mapped[int | None] = mapped_column(BigInteger)
    track_request_id: Mapped[int | None] = mapped_column(BigInteger)
    sent_by: Mapped[str | None] = mapped_column(String(200))


class SqlTrackRequest(Base):
    """A tracking request that another service sent in SQL, and that waits to be taken in."""

    __tablename__ = "track_requests"
    __table_args__ = (
        CheckConstraint("length(request) <= 65536", name="at_most_65536_characters"),
        # Never reuse an id, because a rejected request is found by it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[str] = mapped_column(Text)
    sent_by: Mapped[str | None] = mapped_column(String(200))
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    retry_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)


class PendingHint(Base):
    """A webhook of Magic Hour about a project that is not tracked, kept for a day in case it will be."""

    __tablename__ = "pending_hints"
    __table_args__ = (Index("ix_pending_hints_received_at", "received_at"),)

    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    received_at: Mapped[datetime]


class OperatorAction(Base):
    """An action of an operator, with its reason."""

    __tablename__ = "operator_actions"
    __table_args__ = (Index("ix_operator_actions_tracked_project_id", "tracked_project_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(40))
    tracked_project_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("tracked_projects.id"))
    reason: Mapped[str | None] = mapped_column(Text)
    acted_at: Mapped[datetime]


class ApiToken(Base):
    """A token of a program or a person. Only its hash is stored; revoked ones stay for the record."""

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
    """A browser session opened with a token. Only the hash of its cookie is stored."""

    __tablename__ = "web_sessions"
    __table_args__ = (Index("ix_web_sessions_expires_at", "expires_at"),)

    cookie_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(BigId, ForeignKey("api_tokens.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class RequestMinute(Base):
    """The requests granted to an account within a minute, for charts."""

    __tablename__ = "request_minutes"

    account: Mapped[str] = mapped_column(String(63), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    requests: Mapped[int]


class MetricTotal(Base):
    """The count of a metric and its labels over all processes; its shards add up."""

    __tablename__ = "metric_totals"

    metric: Mapped[str] = mapped_column(String(60), primary_key=True)
    labels: Mapped[str] = mapped_column(String(400), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]


class FeedOffset(Base):
    """The single row with the offset between PostgreSQL's transaction ids and feed positions."""

    __tablename__ = "feed_offset"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    transactions: Mapped[int] = mapped_column(BigInteger)


class InvariantScan(Base):
    """The single row with the progress and result of the daily scan for violated invariants."""

    __tablename__ = "invariant_scan"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)
    violations: Mapped[int] = mapped_column(BigInteger)
    last_violations: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime | None]
    scanned_at: Mapped[datetime | None]
    violated_since: Mapped[datetime | None]


class Heartbeat(Base):
    """When a recurring job last ran. Health checks and alerts use it."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    beat_at: Mapped[datetime]
    problem: Mapped[str | None] = mapped_column(Text)
