"""News for a Celery task of another application, through the same broker."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from amqp.exceptions import PreconditionFailed
from celery import Celery
from kombu import Queue

from worker.domain.destination import CeleryDestination

# Celery's own default queue, where an application listens unless it says otherwise.
_DEFAULT_QUEUE: Final = "celery"
_NAMESPACE: Final = uuid.UUID("6f2f8f43-0c1b-4b39-8a3e-5ad0c6f5a3d1")


def delivery_task_id(event_id: str, destination: str) -> str:
    """Return the task id of an event at a destination: the same at each attempt, so that receivers can deduplicate."""
    return str(uuid.uuid5(_NAMESPACE, f"{event_id} {destination}"))


def send_to_celery(app: Celery, target: CeleryDestination, task_id: str, payload: Mapping[str, Any]) -> None:
    """Send one event as the keyword argument ``event``. Raises what the broker's client raises.

    A queue that is not there yet is declared, for news to wait in.
    """
    queue = target.queue or _DEFAULT_QUEUE
    try:
        _send(app, target.task, queue, task_id, payload)
    except PreconditionFailed:
        # RabbitMQ: the queue is there, as its owner declared it, and that differs from how we would.
        app.amqp.queues.add(Queue(queue, no_declare=True))
        _send(app, target.task, queue, task_id, payload)


def _send(app: Celery, task: str, queue: str, task_id: str, payload: Mapping[str, Any]) -> None:
    # The arguments' text form is replaced, because monitors show it and signed links must not be shown.
    app.send_task(
        task,
        kwargs={"event": dict(payload)},
        task_id=task_id,
        queue=queue,
        retry=False,
        argsrepr="()",
        kwargsrepr=f"{{'event': <{payload['type']} {payload['id']}>}}",
        ignore_result=True,
    )
