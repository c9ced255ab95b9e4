"""Reading deliveries, and sending them again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, update

from worker.store.engine import clock
from worker.store.models import Delivery, Event, TrackedProject
from worker.store.operations import note

_TABLE: Final[Any] = Delivery.__table__
# What no index helps with is looked for among the latest so many.
_WINDOW: Final = 100_000
_MOST_REPLAYED: Final = 10_000


def _deliveries() -> Select[Any]:
    columns = [_TABLE.c[name] for name in ("id", "event_id", "destination", "state", "attempts", "last_error")]
    times = [_TABLE.c[name] for name in ("created_at", "next_attempt_at", "sent_at")]
    return (
        select(*columns, *times, Event.type.label("event_type"), TrackedProject.kind, TrackedProject.project_id)
        .join(Event, Event.id == _TABLE.c.event_id)
        .join(TrackedProject, TrackedProject.id == Event.tracked_project_id)
    )


def list_deliveries(
    connection: Connection,
    *,
    state: str | None = None,
    destination: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return deliveries, the latest first, those before a delivery's number."""
    statement = _deliveries()
    if state:
        statement = statement.where(_TABLE.c.state == state)
    if destination:
        statement = statement.where(_TABLE.c.destination == destination)
    if state != "dead":
        top = before or (connection.scalar(select(func.max(_TABLE.c.id))) or 0) + 1
        statement = statement.where(_TABLE.c.id >= top - _WINDOW)
    if before:
        statement = statement.where(_TABLE.c.id < before)
    rows = connection.execute(statement.order_by(_TABLE.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]


def deliveries_of(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's deliveries, in the order of its events."""
    statement = _deliveries().where(TrackedProject.kind == kind, TrackedProject.project_id == project_id)
    rows = connection.execute(statement.order_by(Event.sequence, _TABLE.c.id)).mappings()
    return [dict(row) for row in rows]


def read_delivery(connection: Connection, delivery_id: int) -> dict[str, Any] | None:
    """Return one delivery with what it carries, if it is known."""
    statement = _deliveries().add_columns(Event.payload).where(_TABLE.c.id == delivery_id)
    row = connection.execute(statement).mappings().one_or_none()
    return dict(row) if row else None


def count_by_destination(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return how many of the latest deliveries since a time are pending, sent and dead, for each destination."""
    top = connection.scalar(select(func.max(_TABLE.c.id))) or 0
    counted = func.count().label("deliveries")
    statement = (
        select(_TABLE.c.destination, _TABLE.c.state, counted)
        .where(_TABLE.c.id > top - _WINDOW, _TABLE.c.created_at >= since)
        .group_by(_TABLE.c.destination, _TABLE.c.state)
    )
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(statement):
        entry = found.setdefault(row.destination, {"destination": row.destination, "pending": 0, "sent": 0, "dead": 0})
        entry[row.state] = row.deliveries
    return sorted(found.values(), key=lambda entry: str(entry["destination"]))


def replay(
    connection: Connection, ids: Sequence[int] | None, actor: str, reason: str | None, *, destination: str | None = None
) -> list[int]:
    """Send deliveries again as if they were new: with the next sweep, and for as long as a new one is tried.

    Without ``ids`` it is the dead ones, of one destination or all, at most 10,000. Returns their numbers.
    """
    wanted = select(_TABLE.c.id, Event.tracked_project_id).join(Event, Event.id == _TABLE.c.event_id)
    if ids is None:
        wanted = wanted.where(_TABLE.c.state == "dead")
        if destination:
            wanted = wanted.where(_TABLE.c.destination == destination)
    else:
        wanted = wanted.where(_TABLE.c.id.in_(ids))
    locked = wanted.order_by(_TABLE.c.id).limit(_MOST_REPLAYED).with_for_update(of=_TABLE)
    rows = connection.execute(locked).all()
    now = clock(connection)
    fresh = {"state": "pending", "attempts": 0, "created_at": now, "next_attempt_at": now, "sent_at": None}
    for start in range(0, len(rows), 1000):
        part = [row.id for row in rows[start : start + 1000]]
        connection.execute(update(_TABLE).where(_TABLE.c.id.in_(part)).values(fresh))
    note(connection, "replay", [row.tracked_project_id for row in rows], actor, reason)
    return [row.id for row in rows]
