"""The queues of Celery destinations: how many messages wait in each, and who reads it, as far as the broker can say."""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from amqp.exceptions import NotFound
from celery import Celery
from celery.exceptions import DuplicateNodenameWarning
from kombu import Connection

# How long workers are waited for, in seconds.
_PATIENCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue at one moment.

    ``messages`` is None if the broker has no such queue, ``consumers`` if the broker cannot say: Redis cannot.
    ``workers`` are those that answered and read it, with the tasks that they know. Workers with remote control off do
    not answer.
    """

    messages: int | None
    consumers: int | None
    workers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def lacks(self, task: str) -> list[str]:
        """Return the workers that read the queue and do not know a task."""
        return sorted(name for name, tasks in self.workers.items() if task not in tasks)


def read_queues(app: Celery, queues: Collection[str]) -> dict[str, QueueStatus]:
    """Return the status of queues. Asks the workers once, for two seconds each for queues and tasks.

    Raises what the broker's client raises.
    """
    workers = _workers(app)
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1)
        return {queue: _status(connection, queue, workers) for queue in queues}


def _workers(app: Celery) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the queues and the tasks of each worker that answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateNodenameWarning)  # two workers of other applications
        read: Mapping[str, Any] = app.control.inspect(timeout=_PATIENCE).active_queues() or {}
        asked = app.control.inspect(timeout=_PATIENCE, limit=len(read)) if read else None
        known: Mapping[str, Any] = (asked and asked.registered()) or {}
    return {
        # A task may be shown with its options: "orders.rendered [rate_limit=1/s]".
        name: (
            frozenset(str(queue["name"]) for queue in queues),
            frozenset(str(task).partition(" ")[0] for task in known.get(name, ())),
        )
        for name, queues in read.items()
    }


def _status(
    connection: Connection, queue: str, workers: Mapping[str, tuple[frozenset[str], frozenset[str]]]
) -> QueueStatus:
    tasks = {name: known for name, (read, known) in workers.items() if queue in read and known}
    channel: Any = connection.channel()
    try:
        if connection.transport.driver_type != "amqp":
            # Nothing is created in Redis, where an empty queue is no key, and consumers leave no trace.
            return QueueStatus(channel.queue_declare(queue).message_count, None, tasks)
        found = channel.queue_declare(queue, passive=True)
    except NotFound:
        return QueueStatus(None, 0, tasks)
    else:
        return QueueStatus(found.message_count, found.consumer_count, tasks)
    finally:
        channel.close()  # RabbitMQ has closed it if there is no such queue
