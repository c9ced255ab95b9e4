"""Task ``renderwatch.confirm``: Celery sends it for a consumer whose task for an event is done.

On Redis and RabbitMQ its messages are taken many at a time, by the same kind of thread that reads the intake queue.
Invalid messages are dropped, so that forged ones take no space.
"""

import logging
from typing import Any, Final

from worker.app import app
from worker.domain.deliveries.confirmation import Confirmation, read_confirmation
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.tasks.deliver import deliver
from worker.tasks.intake.protocol import FaultError, Message, open_redis_item, read_call
from worker.tasks.names import CONFIRM
from worker.tasks.resources import database
from worker.tasks.send_soon import send_soon
from worker.tracking import confirm as use_case

_log: Final = logging.getLogger("renderwatch.confirm")


@app.task(name=CONFIRM)
def confirm(*_: object, **fields: Any) -> None:  # noqa: ANN401  whatever was sent
    """Store one confirmation, where the broker has no consumer of ours."""
    confirmation = read_confirmation(fields)
    if confirmation is not None:
        take_confirmations([confirmation])


def take_confirmations(confirmations: list[Confirmation]) -> None:
    """Store confirmations, and have the deliveries sent that waited for them. Raises StoreUnavailableError."""
    if not confirmations:
        return
    done = use_case.confirm(database(), get_settings(), confirmations)
    counts = event(
        "deliveries_confirmed",
        confirmed=done.confirmed,
        failed=done.failed,
        dead=done.dead,
        repeated=done.repeated,
        rejected=done.rejected,
    )
    text = "confirmed=%d failed=%d dead=%d repeated=%d rejected=%d"
    level = logging.WARNING if done.failed or done.rejected else logging.INFO
    _log.log(level, text, done.confirmed, done.failed, done.dead, done.repeated, done.rejected, extra=counts)
    if done.more_due:
        send_soon(_log, "deliver", deliver.apply_async, "the sweep will deliver")


def read_redis_confirmation(item: bytes) -> list[Confirmation]:
    """Read an item of the queue of confirmations on Redis: one confirmation, or none."""
    try:
        return read_confirmation_message(open_redis_item(item))
    except FaultError:
        return []


def read_confirmation_message(message: Message) -> list[Confirmation]:
    """Read a message of the queue of confirmations: one confirmation, or none."""
    try:
        _, _, _, fields = read_call(message, CONFIRM)
    except FaultError:
        return []
    confirmation = read_confirmation(fields)
    return [] if confirmation is None else [confirmation]
