"""Whether there is anything to do: asked with one statement before a task is sent that would have to find out."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from worker.store.models import Account, Delivery, Heartbeat, TrackedProject
from worker.store.types import UtcDateTime

_TEXT: Final = "%Y-%m-%d %H:%M:%f"  # as SQLite's times are stored


def dispatch_wanted(connection: Connection, silence: float) -> bool:
    """Whether a project may be due, or nothing has been dispatched for so many seconds.

    Projects that are being checked right now count too: which are really due is for the claim to find out.
    """
    dispatched = exists().where(Heartbeat.name == "dispatch", Heartbeat.beat_at > _ago(connection, silence))
    # Each account's first, from the index. The planner can make no join of this, for which it would need statistics.
    first = (
        select(func.min(TrackedProject.next_check_at))
        .where(TrackedProject.account == Account.name, TrackedProject.next_check_at.is_not(None))
        .correlate(Account)
        .scalar_subquery()
    )
    due = exists().select_from(Account).where(first <= _ago(connection, 0))
    return bool(connection.scalar(select(or_(~dispatched, due))))


def deliver_wanted(connection: Connection) -> bool:
    """Whether news waits to be delivered."""
    waits = exists().where(Delivery.state == "pending", Delivery.next_attempt_at <= _ago(connection, 0))
    return bool(connection.scalar(select(waits)))


def _ago(connection: Connection, seconds: float) -> ColumnElement[Any]:
    """Return the time so many seconds ago by the database's clock."""
    if connection.dialect.name == "sqlite":
        return func.strftime(_TEXT, "now", f"-{seconds:f} seconds", type_=UtcDateTime())
    return func.clock_timestamp(type_=UtcDateTime()) - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
