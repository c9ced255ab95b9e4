"""What became of attempts: sent, confirmed, failed, or given up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, or_, update

from worker.domain.deliveries.circuit import Circuit, hold_off, on_failures
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.retry_policy import LONGEST_GAP, confirmation_wait, next_attempt_in
from worker.domain.deliveries.states import DeliveryState
from worker.domain.deliveries.terms import Terms
from worker.domain.metrics import NO_TOTALS, Totals
from worker.store.deliveries.destinations import circuit_of, lock_destination, store_circuit
from worker.store.engine import clock
from worker.store.models import Delivery
from worker.store.monitoring.totals import add_totals

_DELIVERIES: Final[Any] = Delivery.__table__
_LONGEST_ERROR: Final = 1000


def record_outcomes(  # noqa: PLR0913  what came of a batch
    connection: Connection,
    destination: str,
    terms: Terms,
    sent: Sequence[DueDelivery],
    failed: Sequence[tuple[DueDelivery, Exception]],
    *,
    give_up_after: float,
    jitter: Callable[[], float],
    totals: Totals = NO_TOTALS,
) -> int:
    """Note what became of attempts at one destination, and count it for the metrics.

    Returns how many deliveries were given up: those that failed ``give_up_after`` seconds after their first attempt.
    """
    mark_sent(connection, sent, terms, jitter)
    dead = mark_failed(connection, failed, give_up_after=give_up_after, jitter=jitter)
    # A message accepted by the broker does not prove that there is a consumer.
    succeeded = bool(sent) and not terms.confirm
    judge_destination(
        connection, destination, succeeded=succeeded, failures=[error for _, error in failed], jitter=jitter()
    )
    add_totals(connection, totals)
    return dead


def mark_sent(
    connection: Connection, deliveries: Sequence[DueDelivery], terms: Terms, jitter: Callable[[], float]
) -> None:
    """Note that a destination took these. Where it confirms, the wait for that begins, longer after each attempt.

    What came of one meanwhile, such as its confirmation, stays.
    """
    now = clock(connection)
    taken: dict[str, Any] = {"state": "sent", "sent_at": now, "last_error": None, "leased_until": None}
    if terms.acknowledges:
        taken |= {"state": "confirmed", "confirmed_at": now}
    for attempts, group in groupby(sorted(deliveries, key=_attempts), _attempts):
        if terms.confirm:
            by = now + timedelta(seconds=confirmation_wait(attempts, terms.confirm, jitter=jitter()))
            taken |= {"confirm_by": by, "next_attempt_at": by, "last_error": _DELIVERIES.c.last_error}
        ids = [delivery.id for delivery in group]
        ours = (_DELIVERIES.c.id.in_(ids), _DELIVERIES.c.leased_until.is_not(None))
        connection.execute(update(_DELIVERIES).where(*ours).values(taken))


def _attempts(delivery: DueDelivery) -> int:
    return delivery.attempts


def mark_failed(
    connection: Connection,
    failed: Sequence[tuple[DueDelivery, Exception]],
    *,
    give_up_after: float,
    jitter: Callable[[], float],
) -> int:
    """Plan the next attempt of deliveries that failed, or give them up. Returns how many were given up.

    ``give_up_after`` is in seconds from the first attempt. ``jitter`` gives a random number from 0 to 1 for each.
    """
    now = clock(connection)
    dead = 0
    for delivery, error in failed:
        is_final = isinstance(error, DeliveryError) and error.is_final
        rule = Retry("pending", 0.0 if is_final else give_up_after, jitter)
        dead += plan_next(connection, delivery, _text(error), rule, now, _after(error))
    return dead


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, DeliveryError) else f"{type(error).__name__}: {error}"


def _after(error: Exception) -> float:
    return min(getattr(error, "retry_after", None) or 0.0, LONGEST_GAP)


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry rule; ``state`` is the delivery's state while it waits."""

    state: DeliveryState
    give_up_after: float
    jitter: Callable[[], float]


def plan_next(
    connection: Connection,
    delivery: DueDelivery | Row[Any],
    error: str,
    rule: Retry,
    now: datetime,
    not_within: float = 0.0,
) -> bool:
    """Plan the attempt after one that failed, or give the delivery up. Returns whether it was given up."""
    tried_for = (now - delivery.first_attempt_at).total_seconds()
    gap = next_attempt_in(delivery.attempts, tried_for, give_up_after=rule.give_up_after, jitter=rule.jitter())
    row = {
        "_row": delivery.id,
        "_attempts": delivery.attempts,
        "_state": "dead" if gap is None else rule.state,
        "_at": now + timedelta(seconds=max(gap or 0, not_within)),
        "_error": storable(error),
    }
    return bool(connection.execute(_FAILED, row).rowcount) and gap is None


_FAILED: Final = (
    update(_DELIVERIES)
    .where(
        _DELIVERIES.c.id == bindparam("_row"),
        or_(_DELIVERIES.c.leased_until.is_not(None), _DELIVERIES.c.confirm_by.is_not(None)),
        # Another worker may have started a newer attempt; ignore late failures of older ones.
        _DELIVERIES.c.attempts == bindparam("_attempts"),
    )
    .values(
        state=bindparam("_state"),
        next_attempt_at=bindparam("_at", type_=_DELIVERIES.c.next_attempt_at.type),
        last_error=bindparam("_error"),
        leased_until=None,
        confirm_by=None,
    )
)


def judge_destination(
    connection: Connection, name: str, *, succeeded: bool, failures: Iterable[Exception] = (), jitter: float
) -> None:
    """Record the outcome of a batch in a destination's circuit.

    Errors that blame one event alone do not count. A pause that the destination asked for is kept, whatever else it
    accepted.
    """
    blaming = [error for error in failures if getattr(error, "blames_destination", True)]
    if not succeeded and not blaming:
        return
    row, now = lock_destination(connection, name), clock(connection)
    after = Circuit() if succeeded else on_failures(circuit_of(row), len(blaming), now, jitter)
    pause = max(map(_after, blaming), default=0.0)
    if pause:
        after = hold_off(after, now + timedelta(seconds=pause))
    if succeeded:
        store_circuit(connection, name, after, last_success_at=now, last_error=None)
    else:
        store_circuit(connection, name, after, last_error=storable(str(blaming[-1])))


def storable(error: str) -> str:
    """Return the beginning of an error's text, without characters that no database stores."""
    whole = error[:_LONGEST_ERROR].encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\ufffd")
