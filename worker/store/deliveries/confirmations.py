"""Storing what consumers report of deliveries."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from worker.domain.deliveries.confirmation import Confirmation
from worker.domain.metrics import Totals, labels
from worker.store.deliveries.destinations import is_any_due
from worker.store.deliveries.outcomes import Retry, judge_destination, plan_next
from worker.store.deliveries.pauses import tried_since_column
from worker.store.engine import clock
from worker.store.models import Delivery, Destination
from worker.store.monitoring.totals import add_totals

_DELIVERIES: Final[Any] = Delivery.__table__.c
TASK_FAILED: Final = "the consumer's task failed; its log says why"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The outcome of a batch of confirmations. ``repeated``: already known; ``rejected``: invalid token.

    ``more_due``: deliveries are due that may have waited for these.
    """

    confirmed: int = 0
    failed: int = 0
    dead: int = 0
    repeated: int = 0
    rejected: int = 0
    more_due: bool = False


def store_confirmations(
    connection: Connection,
    confirmations: Sequence[Confirmation],
    *,
    give_up_after: float,
    jitter: Callable[[], float],
) -> Confirmed:
    """Store a batch of confirmations.

    Success counts whichever attempt it is of, and also when the delivery was given up: the event has had its effect.
    Failure counts for the latest attempt only. ``give_up_after`` is in seconds from the first attempt.
    """
    rows = _lock(connection, {each.delivery for each in confirmations})
    valid = [each for each in confirmations if each.delivery in rows and _is_authentic(each, rows[each.delivery])]
    succeeded = {each.delivery for each in valid if each.outcome == "succeeded"}
    succeeded = {number for number in succeeded if rows[number].state != "confirmed"}
    failed = {each.delivery for each in valid if _is_failure_of_now(each, rows[each.delivery])} - succeeded
    _store_success(connection, succeeded)
    rule, now = Retry("failed", give_up_after, jitter), clock(connection)
    dead = sum(plan_next(connection, rows[number], TASK_FAILED, rule, now) for number in sorted(failed))
    for name in sorted({rows[number].destination for number in succeeded | failed}):
        judge_destination(connection, name, succeeded=True, jitter=jitter())
    rejected = len(confirmations) - len(valid)
    repeated = len(valid) - len(succeeded) - len(failed)
    counts = {"confirmed": len(succeeded), "failed": len(failed), "repeated": repeated, "rejected": rejected}
    add_totals(connection, Totals({("confirmations", labels(name)): count for name, count in counts.items()}))
    return Confirmed(len(succeeded), len(failed), dead, repeated, rejected, more_due=is_any_due(connection))


def _lock(connection: Connection, numbers: set[int]) -> dict[int, Row[Any]]:
    names = ("id", "destination", "state", "attempts", "confirm_token", "confirm_by", "leased_until")
    columns = [*(_DELIVERIES[name] for name in names), tried_since_column().label("first_attempt_at")]
    statement = (
        select(*columns)
        .join(Destination, Destination.name == _DELIVERIES.destination, isouter=True)
        .where(_DELIVERIES.id.in_(numbers))
        .order_by(_DELIVERIES.id)
        .with_for_update(of=Delivery)
    )
    return {row.id: row for row in connection.execute(statement)}


def _is_authentic(confirmation: Confirmation, row: Row[Any]) -> bool:
    return hmac.compare_digest(confirmation.token, row.confirm_token or "")


def _is_failure_of_now(confirmation: Confirmation, row: Row[Any]) -> bool:
    """Whether it reports a failure of the attempt that is awaited."""
    awaited = row.confirm_by is not None or row.leased_until is not None
    return confirmation.outcome == "failed" and confirmation.attempt == row.attempts and awaited


def _store_success(connection: Connection, numbers: set[int]) -> None:
    if numbers:
        now = clock(connection)
        values: dict[str, Any] = {"state": "confirmed", "confirmed_at": now, "confirm_by": None, "leased_until": None}
        values |= {"sent_at": func.coalesce(_DELIVERIES.sent_at, now), "last_error": None}
        connection.execute(update(Delivery).where(_DELIVERIES.id.in_(numbers)).values(values))
