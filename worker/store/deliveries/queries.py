"""Reading and replaying deliveries."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, func, select, update

from worker.domain.batches import batched
from worker.store.deliveries.delivery_filter import EVERYTHING, DeliveryFilter
from worker.store.deliveries.destinations import probe_soon
from worker.store.engine import clock
from worker.store.models import Delivery, Destination, Event, TrackedProject
from worker.store.projects.operator_actions import note
from worker.store.types import Now

_TABLE: Final[Any] = Delivery.__table__
# Queries without a suitable index cover only this many of the latest deliveries.
_WINDOW: Final = 100_000
_IS_HELD: Final = and_(
    _TABLE.c.state.in_(("pending", "failed")),
    Destination.open_until > Now(),
    Destination.open_until > _TABLE.c.next_attempt_at,
)
MOST_REPLAYED: Final = 10_000


def select_deliveries() -> Select[Any]:
    """Return the query of deliveries with their events and projects, without the payloads.

    ``held_until`` and ``held_because`` say that it waits because its destination fails, ``is_paused`` that it waits
    because its destination is paused.
    """
    columns = [_TABLE.c[name] for name in ("id", "event_id", "destination", "state", "attempts", "last_error")]
    columns += [_TABLE.c[name] for name in ("last_status", "last_seconds")]
    times = [_TABLE.c[name] for name in ("created_at", "next_attempt_at", "sent_at", "confirm_by", "confirmed_at")]
    held = [
        case((_IS_HELD, Destination.open_until)).label("held_until"),
        case((_IS_HELD, Destination.last_error)).label("held_because"),
        and_(_TABLE.c.state.in_(("pending", "failed")), Destination.paused.is_(True)).label("is_paused"),
    ]
    return (
        select(*columns, *times, *held, Event.type.label("event_type"), TrackedProject.kind, TrackedProject.project_id)
        .select_from(_TABLE)
        .join(Event, Event.id == _TABLE.c.event_id)
        .join(TrackedProject, TrackedProject.id == Event.tracked_project_id)
        .outerjoin(Destination, Destination.name == _TABLE.c.destination)
    )


def list_deliveries(
    connection: Connection, wanted: DeliveryFilter = EVERYTHING, *, before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return deliveries, newest first; ``before`` is the number to start below.

    Searches the latest 100,000 below that, unless an index finds what is wanted.
    """
    statement = select_deliveries().where(*wanted.conditions)
    if not wanted.has_index:
        top = before or (connection.scalar(select(func.max(_TABLE.c.id))) or 0) + 1
        statement = statement.where(_TABLE.c.id >= top - _WINDOW)
    if before:
        statement = statement.where(_TABLE.c.id < before)
    rows = connection.execute(statement.order_by(_TABLE.c.id.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]


def deliveries_of(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's deliveries, in the order of its events."""
    statement = select_deliveries().where(TrackedProject.kind == kind, TrackedProject.project_id == project_id)
    rows = connection.execute(statement.order_by(Event.sequence, _TABLE.c.id)).mappings()
    return [dict(row) for row in rows]


def read_delivery(connection: Connection, delivery_id: int) -> dict[str, Any] | None:
    """Return one delivery with its payload, if it exists."""
    statement = select_deliveries().add_columns(Event.payload).where(_TABLE.c.id == delivery_id)
    row = connection.execute(statement).mappings().one_or_none()
    return dict(row) if row else None


def replay(
    connection: Connection, ids: Sequence[int] | None, actor: str, reason: str | None, *, destination: str | None = None
) -> list[int]:
    """Make deliveries pending again, as if they were new: with the next sweep, and with all their attempts.

    A destination that fails gets an attempt at once, whenever its next one was planned. Without ``ids``, replay the
    dead ones of one destination or all, at most 10,000. Returns their numbers.
    """
    wanted = select(_TABLE.c.id, _TABLE.c.destination, Event.tracked_project_id).join(
        Event, Event.id == _TABLE.c.event_id
    )
    if ids is None:
        wanted = wanted.where(_TABLE.c.state == "dead")
        if destination:
            wanted = wanted.where(_TABLE.c.destination == destination)
    else:
        wanted = wanted.where(_TABLE.c.id.in_(ids))
    locked = wanted.order_by(_TABLE.c.id).limit(MOST_REPLAYED).with_for_update(of=_TABLE)
    rows = connection.execute(locked).all()
    now = clock(connection)
    # With a new token: a late confirmation of what was sent before says nothing of what is sent now.
    times = ("first_attempt_at", "sent_at", "leased_until", "confirm_token", "confirm_by", "confirmed_at")
    gone = dict.fromkeys((*times, "last_error", "last_status", "last_seconds"))
    fresh = {"state": "pending", "attempts": 0, "next_attempt_at": now, **gone}
    for part in batched(rows, 1000):
        connection.execute(update(_TABLE).where(_TABLE.c.id.in_([row.id for row in part])).values(fresh))
    probe_soon(connection, {row.destination for row in rows})
    note(connection, "replay", [row.tracked_project_id for row in rows], actor, reason)
    return [row.id for row in rows]
