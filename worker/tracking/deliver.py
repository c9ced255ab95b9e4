"""Deliver: send the stored news that is due, and note what became of it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.settings import Settings
from worker.store.deliveries import DueDelivery, claim_deliveries, mark
from worker.store.engine import Database

BATCH: Final = 200
_LEASE: Final = 60.0
# Sending stops well before the lease does; what was not tried comes due when the lease ends.
_BUDGET: Final = 30.0
# A sweep that finds no end makes room for the next one.
_MOST_ROUNDS: Final = 50


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round of deliveries came to."""

    sent: int = 0
    failed: int = 0
    dead: int = 0


def deliver(database: Database, settings: Settings, send: Callable[[DueDelivery], None]) -> Delivered:
    """Send everything that is due, batch by batch. Each delivery is tried once here; failed ones wait for their time.

    ``send`` raises when it could not send; its error's text is kept with the delivery.
    """
    total = Delivered()
    for _ in range(_MOST_ROUNDS):
        round_ = _deliver_batch(database, settings, send)
        total = Delivered(total.sent + round_.sent, total.failed + round_.failed, total.dead + round_.dead)
        if round_.sent + round_.failed < BATCH:
            break
    return total


def _deliver_batch(database: Database, settings: Settings, send: Callable[[DueDelivery], None]) -> Delivered:
    with database.write() as connection:
        due = claim_deliveries(connection, limit=BATCH, lease_seconds=_LEASE)
    if not due:
        return Delivered()
    sent: list[int] = []
    failed: list[tuple[DueDelivery, str]] = []
    deadline = time.monotonic() + _BUDGET
    for delivery in due:
        if time.monotonic() > deadline:
            break
        try:
            send(delivery)
        except Exception as error:  # noqa: BLE001  whatever went wrong, the delivery must be planned again
            failed.append((delivery, f"{type(error).__name__}: {error}"))
        else:
            sent.append(delivery.id)
    jitter = random.random()  # noqa: S311  spreads load
    # What was sent and not noted would be sent again.
    dead = database.transact(
        lambda connection: mark(connection, sent, failed, give_up_after=settings.delivery_give_up_after, jitter=jitter)
    )
    return Delivered(len(sent), len(failed), dead)
