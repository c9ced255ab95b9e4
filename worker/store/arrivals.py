"""Seeing what is new, for those who wait: a few cheap statements, however many they are."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select, tuple_

from worker.store.engine import clock
from worker.store.models import CreditAdjustment, Event, OperatorAction, StatusTransition, TrackedProject

Key = tuple[str, str]
# No transaction of ours is open longer, so an event can become visible at most so long after its time.
OVERLAP: Final = timedelta(seconds=60)
MOST_EVENTS: Final = 20_000
_PART: Final = 1_000


def read_statuses(connection: Connection, keys: Collection[Key]) -> dict[Key, tuple[str | None, str]]:
    """Return the status and state of projects."""
    table = TrackedProject
    columns = (table.kind, table.project_id)
    found: dict[Key, tuple[str | None, str]] = {}
    for part in _parts(sorted(keys)):
        statement = select(*columns, table.status, table.state).where(tuple_(*columns).in_(part))
        found |= {(row.kind, row.project_id): (row.status, row.state) for row in connection.execute(statement)}
    return found


def _parts(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (keys[start : start + _PART] for start in range(0, len(keys), _PART))


def last_change(connection: Connection) -> tuple[int, ...]:
    """Return numbers that differ as soon as a status, credits or an operator's doing is new."""
    tables = (StatusTransition, CreditAdjustment, OperatorAction)
    return tuple(connection.scalar(select(func.max(table.id))) or 0 for table in tables)


def events_since(connection: Connection, since: datetime, limit: int = MOST_EVENTS) -> list[tuple[str, datetime]]:
    """Return the ids and times of the events from a time on, oldest first.

    Events do not become visible in the order of their times. Who wants all of them asks again for the last ``OVERLAP``,
    and remembers which it has.
    """
    statement = select(Event.id, Event.created_at).where(Event.created_at >= since)
    ordered = statement.order_by(Event.created_at, Event.id).limit(limit)
    return [(row.id, row.created_at) for row in connection.execute(ordered)]


def time_of_event(connection: Connection, event_id: str) -> datetime | None:
    """Return when an event was stored, if it is known."""
    return connection.scalar(select(Event.created_at).where(Event.id == event_id))


def read_payloads(connection: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the payloads of events, oldest first."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), _PART):
        part = select(Event.payload).where(Event.id.in_(ids[start : start + _PART]))
        found += connection.scalars(part.order_by(Event.created_at, Event.sequence, Event.id))
    return found


def now_of(connection: Connection) -> datetime:
    """Return the database's time."""
    return clock(connection)
