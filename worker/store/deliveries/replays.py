"""Finding deliveries by what they carry and where they go, and sending them again."""

from typing import Any, Final

from sqlalchemy import Connection, String, func, literal, select

from worker.store.deliveries.delivery_filter import DeliveryFilter
from worker.store.deliveries.destinations import register
from worker.store.deliveries.queries import replay, select_deliveries
from worker.store.models import Delivery, Event
from worker.store.scheduling.rate_limits import insert_ignoring
from worker.store.types import Now

_TABLE: Final[Any] = Delivery.__table__
AT_ONCE: Final = 1_000


def find_deliveries(connection: Connection, wanted: DeliveryFilter, limit: int) -> list[dict[str, Any]]:
    """Return the deliveries that are meant, newest first."""
    statement = select_deliveries().where(*wanted.conditions).order_by(_TABLE.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(statement).mappings()]


def count_deliveries(
    connection: Connection, wanted: DeliveryFilter, after: int = 0, last: int | None = None
) -> tuple[int, int]:
    """Return how many deliveries are meant, and the greatest of their numbers; perhaps only those between two."""
    statement = select_deliveries().where(*wanted.conditions, _TABLE.c.id > after)
    found = (statement if last is None else statement.where(_TABLE.c.id <= last)).subquery()
    row = connection.execute(select(func.count(), func.max(found.c.id)).select_from(found)).one()
    return row[0], row[1] or 0


def replay_part(
    connection: Connection,
    wanted: DeliveryFilter,
    after: int,
    last: int,
    actor: str,
    reason: str | None,
    destination: str | None = None,
) -> tuple[int, int]:
    """Send the next 1,000 of the deliveries that are meant again, to the same or to another destination.

    Those between two numbers; the payloads are the stored ones, and so are the times of the events. Returns how many
    deliveries became pending, and the number to go on after; 0 of them is the end.
    """
    chosen = select_deliveries().where(*wanted.conditions, _TABLE.c.id > after, _TABLE.c.id <= last)
    rows = connection.execute(chosen.order_by(_TABLE.c.id).limit(AT_ONCE)).all()
    if not rows:
        return 0, after
    ids = [row.id for row in rows]
    if destination is not None:
        ids = _address(connection, ids, destination)
    return len(replay(connection, ids, actor, reason)), rows[-1].id


def _address(connection: Connection, ids: list[int], destination: str) -> list[int]:
    """Make deliveries of the same events to another destination, if there are none, and return their numbers."""
    events = select(_TABLE.c.event_id).where(_TABLE.c.id.in_(ids))
    names = ["event_id", "destination", "state", "attempts", "next_attempt_at", "created_at"]
    made = select(
        Event.id, literal(destination, String), literal("pending", String), literal(0), Now(), Event.created_at
    ).where(Event.id.in_(events))
    connection.execute(insert_ignoring(connection, Delivery).from_select(names, made, include_defaults=False))
    register(connection, [destination])
    theirs = select(_TABLE.c.id).where(_TABLE.c.destination == destination, _TABLE.c.event_id.in_(events))
    return list(connection.scalars(theirs))
