"""Recording a batch of attempts: their outcomes, what endpoints answered, and those that were claimed but not made."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, update

from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.terms import Terms
from worker.domain.metrics import NO_TOTALS, Totals
from worker.store.deliveries.outcomes import record_outcomes
from worker.store.models import Delivery, Destination
from worker.store.types import Now

_DELIVERIES: Final[Any] = Delivery.__table__
_ANSWERED: Final = (
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("_row"), _DELIVERIES.c.attempts == bindparam("_attempts"))
    .values(last_status=bindparam("_status"), last_seconds=bindparam("_seconds"))
)


def record_attempts(
    connection: Connection,
    destination: str,
    terms: Terms,
    attempts: Sequence[tuple[DueDelivery, Attempt]],
    *,
    give_up_after: float,
    jitter: Callable[[], float],
    totals: Totals = NO_TOTALS,
) -> int:
    """Note what became of attempts at one destination. Returns how many deliveries were given up."""
    sent = [delivery for delivery, attempt in attempts if attempt.error is None]
    failed = [(delivery, attempt.error) for delivery, attempt in attempts if attempt.error and attempt.was_made]
    dead = record_outcomes(
        connection, destination, terms, sent, failed, give_up_after=give_up_after, jitter=jitter, totals=totals
    )
    _note_answers(connection, attempts)
    _note_last(connection, destination, [attempt for _, attempt in attempts if attempt.was_made])
    _release(connection, [delivery for delivery, attempt in attempts if not attempt.was_made])
    return dead


def _note_answers(connection: Connection, attempts: Iterable[tuple[DueDelivery, Attempt]]) -> None:
    rows = [
        {"_row": delivery.id, "_attempts": delivery.attempts, "_status": attempt.status, "_seconds": attempt.seconds}
        for delivery, attempt in attempts
        if attempt.seconds is not None
    ]
    if rows:
        connection.execute(_ANSWERED, rows)


def _note_last(connection: Connection, destination: str, attempts: Sequence[Attempt]) -> None:
    """Record the last attempt of a batch with its destination."""
    if attempts:
        values = {"attempted_at": Now(), "last_status": attempts[-1].status, "last_seconds": attempts[-1].seconds}
        connection.execute(update(Destination).where(Destination.name == destination).values(values))


def _release(connection: Connection, deliveries: Sequence[DueDelivery]) -> None:
    """Make deliveries due again at once, as if they had not been claimed."""
    table = _DELIVERIES.c
    values = {
        "attempts": table.attempts - 1,
        "first_attempt_at": case((table.attempts > 1, table.first_attempt_at)),
        "next_attempt_at": Now(),
        "leased_until": None,
    }
    for delivery in deliveries:
        is_ours = (table.id == delivery.id, table.attempts == delivery.attempts, table.leased_until.is_not(None))
        connection.execute(update(_DELIVERIES).where(*is_ours).values(values))
