"""Deliver an event to a Celery task of another application."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from amqp.exceptions import ChannelError, PreconditionFailed
from celery import Celery, Signature
from kombu import Queue

from worker.domain.deliveries.celery_destination import DEFAULT_QUEUE, CeleryDestination
from worker.domain.deliveries.confirmation import Outcome
from worker.domain.deliveries.due import DueDelivery

# The task that a consumer's Celery sends back, and its queue, which our workers declare in the same way.
CONFIRM: Final = "renderwatch.confirm"
CONFIRMATIONS: Final = "renderwatch.confirmations"
_NO_ROUTE: Final = 312  # AMQP's reply code for a returned message
_NAMESPACE: Final = uuid.UUID("6f2f8f43-0c1b-4b39-8a3e-5ad0c6f5a3d1")
NO_HEADERS: Final[Mapping[str, str]] = {}


class NoQueueError(Exception):
    """The broker had no queue for a message and did not accept it."""


def delivery_task_id(event_id: str, destination: str) -> str:
    """Return the task id of an event at a destination: the same for each attempt, so that receivers can deduplicate."""
    return str(uuid.uuid5(_NAMESPACE, f"{event_id} {destination}"))


def send_to_celery(
    app: Celery, target: CeleryDestination, delivery: DueDelivery, headers: Mapping[str, str] = NO_HEADERS
) -> None:
    """Send one event as the keyword argument ``event``. Raises NoQueueError, and what the broker's client raises.

    A queue that does not exist yet is declared, so that events wait in it. A queue that was deleted is detected on
    RabbitMQ when it returns the message; the next attempt declares the queue again.
    """
    queue = target.queue or DEFAULT_QUEUE
    try:
        _send(app, target, queue, delivery, headers)
    except PreconditionFailed:
        # RabbitMQ: the queue exists with other arguments than we would declare.
        app.amqp.queues.add(Queue(queue, no_declare=True))
        _send(app, target, queue, delivery, headers)
    except ChannelError as error:
        if error.reply_code != _NO_ROUTE:
            raise
        raise NoQueueError(f"RabbitMQ returned the message: there is no queue {queue!r} any more") from None


def _send(
    app: Celery, target: CeleryDestination, queue: str, delivery: DueDelivery, headers: Mapping[str, str]
) -> None:
    payload = delivery.payload
    # Replace the arguments' repr, because monitoring tools show it, and it would contain signed links.
    app.send_task(
        target.task,
        kwargs={"event": dict(payload)},
        task_id=delivery_task_id(delivery.event_id, delivery.destination),
        queue=queue,
        priority=target.priority,
        link=_confirmation(app, delivery, "succeeded"),
        link_error=_confirmation(app, delivery, "failed"),
        retry=False,
        mandatory=True,  # RabbitMQ returns what no queue takes, instead of dropping it; not possible on Redis
        argsrepr="()",
        kwargsrepr=f"{{'event': <{payload['type']} {payload['id']}>}}",
        ignore_result=True,
        # OpenTelemetry reads them here, Sentry one level below.
        headers={**headers, "headers": dict(headers)} if headers else None,
    )


def _confirmation(app: Celery, delivery: DueDelivery, outcome: Outcome) -> Signature[Any] | None:
    """Return what the consumer's Celery sends when its task is done; None if no confirmation is wanted.

    Immutable, so that the task's result and its error stay with the consumer.
    """
    if delivery.confirm_token is None:
        return None
    fields = {
        "delivery": delivery.id,
        "attempt": delivery.attempts,
        "token": delivery.confirm_token,
        "outcome": outcome,
    }
    # JSON, whatever the consumer's own tasks use. The token is in no monitor.
    options = {
        "queue": CONFIRMATIONS,
        "serializer": "json",
        "ignore_result": True,
        "kwargsrepr": "{}",
        "argsrepr": "()",
    }
    return app.signature(CONFIRM, kwargs=fields, immutable=True, options=options)
