"""Send events to a destination of any kind."""

import time
from collections.abc import Sequence

from worker.delivery.celery_task import delivery_task_id, send_to_celery
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.webhook import Webhooks
from worker.domain.deliveries.attempt import Attempt, NotTriedError
from worker.domain.deliveries.destination import parse_destination
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.webhook_url import WebhookUrl
from worker.traces import delivery_headers


def send(
    brokers: NamedBrokers, webhooks: Webhooks, deliveries: Sequence[DueDelivery], deadline: float
) -> list[Attempt]:
    """Send deliveries to one destination, one after the other, and return an attempt for each. Raises nothing.

    None is started after the deadline (``time.monotonic``), nor after the destination has not answered or has asked for
    a pause. It runs in several threads at once.
    """
    attempts: list[Attempt] = []
    goes_on = True
    for delivery in deliveries:
        goes_on = goes_on and time.monotonic() < deadline
        attempts.append(_attempt(brokers, webhooks, delivery) if goes_on else Attempt(NotTriedError()))
        goes_on = goes_on and not _wants_no_more(attempts[-1])
    return attempts


def _attempt(brokers: NamedBrokers, webhooks: Webhooks, delivery: DueDelivery) -> Attempt:
    try:
        target = parse_destination(delivery.destination)
        headers = delivery_headers(delivery.trace, str(delivery.payload["type"]))
        if isinstance(target, WebhookUrl):
            message_id = delivery_task_id(delivery.event_id, delivery.destination)
            return webhooks.send(target, message_id, delivery.payload, headers)
        send_to_celery(brokers.of(target), target, delivery, headers)
    except Exception as error:  # noqa: BLE001  whatever went wrong, the delivery must be rescheduled
        return Attempt(error)
    return Attempt()


def _wants_no_more(attempt: Attempt) -> bool:
    """Whether an endpoint asked for a pause, or an attempt took time and brought no answer."""
    is_silent = attempt.status is None and attempt.seconds is not None
    return is_silent or getattr(attempt.error, "retry_after", None) is not None
