"""Deliveries: what is to be sent, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, update

from worker.domain.backoff import backoff
from worker.store.engine import clock
from worker.store.models import Delivery, Event

_DELIVERIES: Final[Any] = Delivery.__table__
_LONGEST_ERROR: Final = 1000


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """One event that is to be sent to one destination now. ``attempts`` counts this one too."""

    id: int
    event_id: str
    destination: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime


def claim_deliveries(connection: Connection, *, limit: int, lease_seconds: float) -> list[DueDelivery]:
    """Take what is due, oldest first. Nobody else takes it before the lease is over, whatever becomes of us."""
    now = clock(connection)
    pending = (
        select(Delivery.id)
        .where(Delivery.state == "pending", Delivery.next_attempt_at <= now)
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.scalars(pending))
    if not ids:
        return []
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(attempts=Delivery.attempts + 1, next_attempt_at=now + timedelta(seconds=lease_seconds))
    )
    columns = (Delivery.id, Delivery.event_id, Delivery.destination, Event.payload, Delivery.attempts)
    statement = (
        select(*columns, Delivery.created_at)
        .join(Event, Event.id == Delivery.event_id)
        .where(Delivery.id.in_(ids))
        .order_by(Event.tracked_project_id, Event.sequence)
    )
    return [DueDelivery(*row) for row in connection.execute(statement)]


def mark(
    connection: Connection,
    sent: Sequence[int],
    failed: Sequence[tuple[DueDelivery, str]],
    *,
    give_up_after: float,
    jitter: float,
) -> int:
    """Note what became of a batch. Returns how many deliveries were given up."""
    mark_sent(connection, sent)
    return mark_failed(connection, failed, give_up_after=give_up_after, jitter=jitter)


def mark_sent(connection: Connection, ids: Sequence[int]) -> None:
    """Note that these were sent."""
    if ids:
        values = {"state": "sent", "sent_at": clock(connection), "last_error": None}
        connection.execute(update(Delivery).where(Delivery.id.in_(ids)).values(values))


def mark_failed(
    connection: Connection, failed: Sequence[tuple[DueDelivery, str]], *, give_up_after: float, jitter: float
) -> int:
    """Plan the next attempt of deliveries that failed, or give them up. Returns how many were given up."""
    if not failed:
        return 0
    now = clock(connection)
    dead = 0
    rows = []
    for delivery, error in failed:
        over = (now - delivery.created_at).total_seconds() >= give_up_after
        dead += over
        gap = backoff(delivery.attempts, base=2, limit=3600, jitter=jitter)
        rows.append(
            {
                "_row": delivery.id,
                "_attempts": delivery.attempts,
                "_state": "dead" if over else "pending",
                "_at": now + timedelta(seconds=gap),
                "_error": error[:_LONGEST_ERROR],
            }
        )
    statement = (
        update(_DELIVERIES)
        .where(
            _DELIVERIES.c.id == bindparam("_row"),
            _DELIVERIES.c.state == "pending",
            # Somebody else may be at it again by now: then a failure that comes late says nothing.
            _DELIVERIES.c.attempts == bindparam("_attempts"),
        )
        .values(
            state=bindparam("_state"),
            next_attempt_at=bindparam("_at", type_=_DELIVERIES.c.next_attempt_at.type),
            last_error=bindparam("_error"),
        )
    )
    connection.execute(statement, rows)
    return dead
