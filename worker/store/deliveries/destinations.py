"""Destinations: which have something due, and the circuit of each."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, exists, func, or_, select, text, update

from worker.domain.deliveries.circuit import Circuit, probe_at_once
from worker.store.engine import clock
from worker.store.models import Delivery, Destination
from worker.store.models.deliveries import OPEN
from worker.store.scheduling.rate_limits import insert_ignoring
from worker.store.types import Now

_DELIVERIES: Final[Any] = Delivery.__table__.c
_DESTINATIONS: Final[Any] = Destination.__table__.c
_MOST_DUE: Final = 100
_MOST_LOOKED_AT: Final = 1_000
_LOOK_NOTED_EVERY: Final = timedelta(seconds=5)
_MOST_GIVEN_UP: Final = 10_000
_MOST_REGISTERED: Final = 1_000
IS_OPEN: Final = text(f"({OPEN})")
# As a subquery it is evaluated once, so that the index can be used.
_NOW: Final = select(Now()).scalar_subquery()
_DUE: Final = and_(_DELIVERIES.destination == _DESTINATIONS.name, IS_OPEN, _DELIVERIES.next_attempt_at <= _NOW)
_IS_SERVED: Final = and_(
    _DESTINATIONS.paused.is_(False),
    or_(_DESTINATIONS.open_until.is_(None), _DESTINATIONS.open_until <= _NOW),
    exists(select(_DELIVERIES.id).where(_DUE).correlate(Destination)),
)
_FIRST: Final = select(func.min(_DELIVERIES.next_attempt_at)).where(_DUE).correlate(Destination).scalar_subquery()


def register(connection: Connection, names: Iterable[str]) -> None:
    """Create the rows of new destinations, in a fixed order, which prevents deadlocks."""
    rows = [{"name": name} for name in sorted(set(names))]
    if rows:
        connection.execute(insert_ignoring(connection, Destination).values(created_at=Now()), rows)


def unregistered(connection: Connection) -> list[str]:
    """Return the destinations that have open deliveries and no row, as processes of earlier versions leave them."""
    first = select(func.min(_DELIVERIES.destination).label("name")).where(IS_OPEN).cte("named", recursive=True)
    # One search of the index for each destination: their number is small, that of their deliveries may not be.
    following = select(func.min(_DELIVERIES.destination)).where(IS_OPEN, _DELIVERIES.destination > first.c.name)
    named = first.union_all(select(following.correlate(first).scalar_subquery()).where(first.c.name.is_not(None)))
    missing = select(named.c.name).where(named.c.name.is_not(None), ~exists().where(_DESTINATIONS.name == named.c.name))
    return list(connection.scalars(missing.limit(_MOST_REGISTERED)))


def due_destinations(connection: Connection) -> list[str]:
    """Return the destinations that have a delivery due and may be sent to, up to 100, the longest overdue first."""
    return list(connection.scalars(select(_DESTINATIONS.name).where(_IS_SERVED).order_by(_FIRST).limit(_MOST_DUE)))


def unattended_since(connection: Connection) -> datetime | None:
    """Return since when the oldest due, unattended delivery has waited; None if there is none."""
    served = select(_FIRST, _DESTINATIONS.looked_at, _DESTINATIONS.open_until).where(_IS_SERVED).limit(_MOST_LOOKED_AT)
    return min((max(filter(None, row)) for row in connection.execute(served)), default=None)


def is_any_due(connection: Connection) -> bool:
    """Return whether a destination has a delivery due and may be sent to."""
    return bool(connection.scalar(select(exists(select(_DESTINATIONS.name).where(_IS_SERVED)))))


def lock_destination(connection: Connection, name: str) -> RowMapping:
    """Return the row of a destination. Nobody else changes it, or claims deliveries to it, before we commit."""
    statement = select(Destination.__table__).where(_DESTINATIONS.name == name).with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        register(connection, [name])
        row = connection.execute(statement).mappings().one()
    return row


def note_look(connection: Connection, row: RowMapping, now: datetime) -> None:
    """Record that a worker polled this destination, at most every few seconds."""
    if row["looked_at"] is None or not timedelta(0) <= now - row["looked_at"] < _LOOK_NOTED_EVERY:
        connection.execute(update(Destination).where(_DESTINATIONS.name == row["name"]).values(looked_at=now))


def circuit_of(row: RowMapping) -> Circuit:
    """Return the circuit that a destination's row holds."""
    return Circuit(**{field: row[field] for field in ("failures", "probes", "failing_since", "open_until")})


def store_circuit(connection: Connection, name: str, circuit: Circuit, **more: object) -> None:
    """Write a circuit back, and other columns of its destination."""
    values = {
        "failures": circuit.failures,
        "probes": circuit.probes,
        "failing_since": circuit.failing_since,
        "open_until": circuit.open_until,
    }
    connection.execute(update(Destination).where(_DESTINATIONS.name == name).values(values | more))


def probe_soon(connection: Connection, names: Iterable[str]) -> None:
    """Let destinations that are held off have one attempt at once; for after their deliveries were locked."""
    held = select(Destination.__table__).where(_DESTINATIONS.name.in_(set(names)), _DESTINATIONS.open_until > Now())
    # In a fixed order, which prevents deadlocks.
    for row in connection.execute(held.order_by(_DESTINATIONS.name).with_for_update()).mappings().all():
        store_circuit(connection, row["name"], probe_at_once(circuit_of(row)))


def give_up_waiting(connection: Connection, give_up_after: float) -> int:
    """Give up deliveries that have waited too long for destinations that fail, though each was not tried itself.

    ``give_up_after`` is in seconds, from the first attempt, or from when both the delivery waited and the destination
    failed. Those for a paused destination are kept. Returns how many, at most 10,000.
    """
    before = clock(connection) - timedelta(seconds=give_up_after)
    failing = connection.execute(
        select(_DESTINATIONS.name, _DESTINATIONS.last_error)
        .where(_DESTINATIONS.failing_since <= before, _DESTINATIONS.paused.is_(False))
        .order_by("name")
    ).all()
    given_up = 0
    for name, error in failing:
        old = (
            select(_DELIVERIES.id)
            .where(_DELIVERIES.destination == name, IS_OPEN)
            .where(func.coalesce(_DELIVERIES.first_attempt_at, _DELIVERIES.next_attempt_at) <= before)
            .where(or_(_DELIVERIES.leased_until.is_(None), _DELIVERIES.leased_until <= Now()))
            .limit(_MOST_GIVEN_UP)
            .with_for_update(skip_locked=True)
        )
        ids = connection.scalars(old).all()
        values = {"state": "dead", "confirm_by": None, "leased_until": None}
        reason = func.coalesce(
            _DELIVERIES.last_error, f"the destination failed for the whole period: {error or 'no answer'}"
        )
        if ids:
            connection.execute(update(Delivery).where(_DELIVERIES.id.in_(ids)).values(values | {"last_error": reason}))
        given_up += len(ids)
    return given_up
