"""Whether there is work to do: one query instead of a task that would find out."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, exists, func, or_, select

from worker.store.deliveries.destinations import is_any_due, unregistered
from worker.store.intake.sql_requests import IS_ANY_DUE
from worker.store.models import Account, Heartbeat, TrackedProject
from worker.store.types import Now

_PROJECTS: Final[Any] = TrackedProject.__table__.c
# Reads each account's first project from the index, in a form that the planner cannot turn into a join, for which it
_FIRST_DUE: Final = (
    select(func.min(_PROJECTS.next_check_at))
    .where(_PROJECTS.account == Account.name, _PROJECTS.next_check_at.is_not(None))
    .correlate(Account)
    .scalar_subquery()
)
_DISPATCH: Final = select(
    Now().label("now"),
    select(Heartbeat.beat_at).where(Heartbeat.name == "dispatch").scalar_subquery().label("dispatched_at"),
    or_(IS_ANY_DUE, exists(select(Account.name).where(Now() >= _FIRST_DUE))).label("is_due"),
)


def is_dispatch_wanted(connection: Connection, silence: float) -> bool:
    """Return whether there may be work for dispatch, or whether it has not run for ``silence`` seconds.

    A project may be due, or a tracking request was sent in SQL.

    Projects that are being checked count too; the claim finds out which ones are really due.
    """
    row = connection.execute(_DISPATCH).one()
    if row.is_due or row.dispatched_at is None:
        return True
    # A time in the future means that the clock was set back.
    return not timedelta(0) <= row.now - row.dispatched_at < timedelta(seconds=silence)


def is_delivery_due(connection: Connection) -> bool:
    """Return whether a delivery is due whose destination may be sent to, or has yet to be registered."""
    return is_any_due(connection) or bool(unregistered(connection))
