"""What operators need: who did what, who may log in, and whether it runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models.base import Base
from worker.store.types import BigId


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
