"""Paused, stalled, overdue and dead in SQL: the single definition that queries use.

The domain has the same definitions for single rows (rate_limit.is_paused, Project.is_stalled, facts.is_alive), and
so have the readers' views. A test compares them.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, text

from worker.domain.monitoring.facts import NO_ANSWER_AFTER, OVERDUE_AFTER
from worker.domain.projects.observation import FailureKind
from worker.store.models import Account, Delivery, TrackedProject
from worker.store.models.deliveries import OPEN

_ACCOUNTS: Final[Any] = Account.__table__.c
_PROJECTS: Final[Any] = TrackedProject.__table__.c
# Failures after which a project is checked again within CHECKED_WITHIN; their longest gap is that of bad answers.
_UNUSABLE: Final = (FailureKind.BAD_ANSWER, FailureKind.UNAVAILABLE, FailureKind.NOTHING_FOUND)
CHECKED_WITHIN: Final = timedelta(minutes=10)


def is_paused(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an account is paused."""
    probed = or_(_ACCOUNTS.pause_reason.is_(None), _ACCOUNTS.pause_reason != str(FailureKind.RATE_LIMITED))
    return and_(_ACCOUNTS.paused_until.is_not(None), or_(_ACCOUNTS.paused_until > now, probed))


def is_stalled() -> ColumnElement[bool]:
    """Return the condition that a project is stalled."""
    return and_(_PROJECTS.stalled_at.is_not(None), _PROJECTS.state != "closed", _PROJECTS.finished_at.is_(None))


def is_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a project's check is due, leased or not."""
    due: ColumnElement[bool] = _PROJECTS.next_check_at <= now
    return due


def is_leased(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a project is leased."""
    return and_(_PROJECTS.leased_until.is_not(None), _PROJECTS.leased_until > now)


def is_overdue(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a project is overdue."""
    overdue: ColumnElement[bool] = _PROJECTS.next_check_at < now - timedelta(seconds=OVERDUE_AFTER)
    return overdue


def is_unanswered(now: datetime, projects: Any = _PROJECTS) -> ColumnElement[bool]:  # noqa: ANN401  columns
    """Return the condition that a project that is checked soon has had no usable answer for a while."""
    since = now - timedelta(seconds=NO_ANSWER_AFTER)
    failed = and_(projects.failure_count > 0, projects.last_problem.in_(_UNUSABLE), projects.failing_since <= since)
    return and_(failed, projects.next_check_at <= now + CHECKED_WITHIN)


def is_dead() -> ColumnElement[bool]:
    """Return the condition that a delivery is dead."""
    dead: ColumnElement[bool] = Delivery.__table__.c.state == "dead"
    return dead


def is_waiting() -> ColumnElement[bool]:
    """Return the condition that a delivery waits to be sent, for the first time or again."""
    return and_(text(f"({OPEN})"), Delivery.__table__.c.state != "sent")


def is_unconfirmed() -> ColumnElement[bool]:
    """Return the condition that a delivery was sent and waits for its confirmation."""
    return and_(text(f"({OPEN})"), Delivery.__table__.c.state == "sent")
