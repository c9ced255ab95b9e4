"""Pausing and resuming destinations: events wait, and none is given up meanwhile."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, type_coerce, update

from worker.domain.deliveries.shown_destination import shown_destination
from worker.store.deliveries.destinations import lock_destination
from worker.store.engine import clock
from worker.store.models import Delivery, Destination
from worker.store.projects.operator_actions import LONGEST_REASON, note_about
from worker.store.types import Now, UtcDateTime

_DELIVERIES: Final[Any] = Delivery.__table__.c
_DESTINATIONS: Final[Any] = Destination.__table__.c


def pause_destination(connection: Connection, name: str, actor: str, reason: str | None) -> bool:
    """Send nothing there until it is resumed. Returns False if it was paused already, which then stays as it was.

    Attempts that are under way are finished, and their confirmations count. A destination that has had no event yet
    gets its row.
    """
    row, now = lock_destination(connection, name), clock(connection)
    if row["paused"]:
        return False
    why = reason[:LONGEST_REASON] if reason else None
    values = {"paused": True, "paused_at": now, "paused_by": actor[: _DESTINATIONS.paused_by.type.length]}
    connection.execute(update(Destination).where(_DESTINATIONS.name == name).values(values | {"pause_reason": why}))
    note_about(connection, "pause destination", shown_destination(name), actor, reason)
    return True


def resume_destination(connection: Connection, name: str, actor: str, reason: str | None) -> bool:
    """Send what waits. Returns False if it was not paused.

    If its circuit is open, one attempt is made at once. The time after which deliveries are given up begins again.
    """
    row, now = lock_destination(connection, name), clock(connection)
    if not row["paused"]:
        return False
    values: dict[str, Any] = dict.fromkeys(("paused_at", "paused_by", "pause_reason"))
    values |= {"paused": False, "resumed_at": now}
    if row["failing_since"] is not None:
        values["failing_since"] = now
    if row["open_until"] is not None:
        values |= {"open_until": now, "probes": 0}
    connection.execute(update(Destination).where(_DESTINATIONS.name == name).values(values))
    note_about(connection, "resume destination", shown_destination(name), actor, reason)
    return True


def tried_since(first_attempt_at: datetime, resumed_at: datetime | None) -> datetime:
    """Return the time from which the time after which a delivery is given up counts."""
    return max(first_attempt_at, resumed_at or first_attempt_at)


def tried_since_column() -> ColumnElement[datetime]:
    """Return the same in SQL, of a delivery joined with its destination; the current time while that is paused."""
    first, resumed = _DELIVERIES.first_attempt_at, _DESTINATIONS.resumed_at
    return type_coerce(
        case((_DESTINATIONS.paused.is_(True), Now()), (resumed > first, resumed), else_=first), UtcDateTime
    )
