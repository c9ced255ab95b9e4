"""Claiming deliveries that are due."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, not_, or_, select, update

from worker.domain.deliveries.circuit import on_failures, on_probe
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.terms import Terms
from worker.store.deliveries.destinations import IS_OPEN, circuit_of, lock_destination, note_look, store_circuit
from worker.store.deliveries.pauses import tried_since
from worker.store.engine import clock
from worker.store.models import Delivery, Event, TrackedProject
from worker.store.types import RandomToken

_DELIVERIES: Final[Any] = Delivery.__table__.c
_OTHER: Final[Any] = Delivery.__table__.alias("other")
_OTHER_EVENT: Final[Any] = Event.__table__.alias("other_event")


def claim_deliveries(
    connection: Connection,
    destination: str,
    terms: Terms,
    *,
    limit: int,
    lease_seconds: float,
    give_up_after: float,
    jitter: float,
) -> list[DueDelivery]:
    """Claim what is due at a destination, oldest first. Nothing else claims it until the lease ends.

    At most as many as the terms allow are in flight; one at a time while the destination's circuit is open. Deliveries
    that were not confirmed in time are claimed again, or are dead ``give_up_after`` seconds after their first attempt
    or, if that is later, after the destination was resumed.
    """
    row, now = lock_destination(connection, destination), clock(connection)
    note_look(connection, row, now)
    circuit = circuit_of(row)
    if row["paused"] or not circuit.allows(now, limit):
        return []
    free = terms.most_in_flight - _in_flight(connection, destination, now)
    due = _due(connection, destination, terms, circuit.allows(now, min(limit, free)))
    if not due:
        return []
    unconfirmed = [each for each in due if each.confirm_by is not None]
    resumed = row["resumed_at"]
    over = {each.id for each in unconfirmed if _seconds(each, resumed, now) >= give_up_after}
    ids = [each.id for each in due if each.id not in over]
    # If others were confirmed since, only this one was lost; if none was, the consumer may be down.
    since = row["last_success_at"]
    after = on_failures(circuit, sum(since is None or since < each.sent_at for each in unconfirmed), now, jitter)
    if after.is_open:
        ids, after = ids[:1], on_probe(after, now, jitter)
    why = f"not confirmed within {terms.confirm:g} s" if terms.confirm else "not confirmed in time"
    if after != circuit:
        store_circuit(connection, destination, after, last_error=why if unconfirmed else row["last_error"])
    _give_up(connection, over, why)
    taken = _take(connection, ids, terms, now + timedelta(seconds=lease_seconds), now, why)
    return [replace(each, first_attempt_at=tried_since(each.first_attempt_at, resumed)) for each in taken]


def _seconds(delivery: Row[Any], resumed: datetime | None, now: datetime) -> float:
    """Return how long a delivery has been tried."""
    return (now - tried_since(delivery.first_attempt_at, resumed)).total_seconds()


def _in_flight(connection: Connection, destination: str, now: datetime) -> int:
    """Count deliveries to a destination that are being sent or wait for confirmation."""
    under_way = or_(_DELIVERIES.leased_until > now, _DELIVERIES.confirm_by > now)
    count = select(func.count()).where(
        _DELIVERIES.destination == destination, IS_OPEN, _DELIVERIES.next_attempt_at > now, under_way
    )
    return connection.scalar(count) or 0


def _due(connection: Connection, destination: str, terms: Terms, limit: int) -> Sequence[Any]:
    if limit <= 0:
        return []
    columns = [_DELIVERIES[name] for name in ("id", "confirm_by", "sent_at", "first_attempt_at")]
    due = select(*columns).where(
        _DELIVERIES.destination == destination, IS_OPEN, _DELIVERIES.next_attempt_at <= clock(connection)
    )
    if terms.ordered:
        due = due.join(Event, Event.id == _DELIVERIES.event_id).where(not_(_is_preceded()))
    due = due.order_by(_DELIVERIES.next_attempt_at, _DELIVERIES.id).limit(limit)
    return connection.execute(due.with_for_update(skip_locked=True, of=Delivery)).all()


def _is_preceded() -> ColumnElement[bool]:
    """Return the condition that an earlier event of the project is still on its way to the same destination."""
    open_ = or_(_OTHER.c.state.in_(("pending", "failed")), _OTHER.c.confirm_by.is_not(None))
    return exists(
        select(_OTHER.c.id)
        .join(_OTHER_EVENT, _OTHER_EVENT.c.id == _OTHER.c.event_id)
        .where(_OTHER_EVENT.c.tracked_project_id == Event.tracked_project_id, _OTHER_EVENT.c.sequence < Event.sequence)
        .where(_OTHER.c.destination == _DELIVERIES.destination, open_)
        .correlate(Delivery, Event)
    )


def _give_up(connection: Connection, ids: set[int], why: str) -> None:
    if ids:
        values = {"state": "dead", "confirm_by": None, "last_error": why}
        connection.execute(update(Delivery).where(_DELIVERIES.id.in_(ids)).values(values))


def _take(
    connection: Connection, ids: Sequence[int], terms: Terms, until: datetime, now: datetime, why: str
) -> list[DueDelivery]:
    if not ids:
        return []
    claimed: dict[str, Any] = {
        "state": "pending",
        "attempts": _DELIVERIES.attempts + 1,
        "first_attempt_at": func.coalesce(_DELIVERIES.first_attempt_at, now),
        "next_attempt_at": until,
        "leased_until": until,
        "last_error": case((_DELIVERIES.confirm_by.is_not(None), why), else_=_DELIVERIES.last_error),
        "confirm_by": None,
    }
    if terms.confirm:
        # The same for all attempts: a late confirmation of an earlier one counts too.
        claimed["confirm_token"] = func.coalesce(_DELIVERIES.confirm_token, RandomToken())
    connection.execute(update(Delivery).where(_DELIVERIES.id.in_(ids)).values(claimed))
    names = ("id", "event_id", "destination", "attempts", "first_attempt_at", "confirm_token")
    statement = (
        select(*(_DELIVERIES[name] for name in names), Event.payload, TrackedProject.trace)
        .join(Event, Event.id == _DELIVERIES.event_id)
        .join(TrackedProject, TrackedProject.id == Event.tracked_project_id)
        .where(_DELIVERIES.id.in_(ids))
        .order_by(Event.tracked_project_id, Event.sequence)
    )
    return [DueDelivery(**row) for row in connection.execute(statement).mappings()]
