"""The bootstep of a Celery worker that runs the consumers of queues that others send to, in its parent process."""

import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from celery import bootsteps
from kombu import Connection, Queue

from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.tasks.confirm import read_confirmation_message, read_redis_confirmation, take_confirmations
from worker.tasks.intake.amqp_queue import AmqpQueue
from worker.tasks.intake.consumer import IncomingQueue, QueueConsumer
from worker.tasks.intake.log_outcome import log_outcome
from worker.tasks.intake.protocol import Message, read_message, read_redis_item
from worker.tasks.intake.redis_queue import RedisQueue
from worker.tasks.names import CONFIRMATIONS, INTAKE
from worker.tasks.resources import database
from worker.tracking.intake.messages import Incoming, track_messages

_T = TypeVar("_T")
_HEARTBEAT: Final = 30


class IntakeStep(bootsteps.StartStopStep):
    """Takes over the queues that others send to from Celery's own consumer on Redis and RabbitMQ."""

    # After the pool, so that its children are forked before a thread exists.
    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:  # noqa: ANN401  Celery's worker
        """Decide which queues to read: none, if this worker was told to read only others."""
        super().__init__(parent, **options)
        with parent.app.connection_for_read() as connection:
            can_be_read = connection.transport.driver_type in {"redis", "amqp"}
        wanted = parent.app.amqp.queues.consume_from
        self.consumers: list[QueueConsumer[Any]] = []
        if can_be_read and INTAKE in wanted:
            self._add(parent, INTAKE, "intake", read_redis_item, read_message, _track, _note)
        if can_be_read and CONFIRMATIONS in wanted:
            readers = (read_redis_confirmation, read_confirmation_message)
            self._add(parent, CONFIRMATIONS, "confirmations", *readers, take_confirmations, _note_nothing)
        self.enabled = bool(self.consumers)

    def _add(
        self,
        parent: Any,  # noqa: ANN401  as above
        queue_name: str,
        name: str,
        read_redis: Callable[[bytes], list[_T]],
        read_amqp: Callable[[Message], list[_T]],
        store: Callable[[list[_T]], None],
        note: Callable[[str | None], None],
    ) -> None:
        queues = parent.app.amqp.queues
        queue = queues.consume_from[queue_name]
        queues.deselect([queue_name])

        def connect() -> IncomingQueue[_T]:
            opened: Connection = parent.app.connection_for_read(heartbeat=_HEARTBEAT)
            return _open(opened, queue, parent.hostname, read_redis, read_amqp)

        self.consumers.append(QueueConsumer(name, connect, store, note))

    def start(self, parent: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Start the consumers."""
        for consumer in self.consumers:
            consumer.start()

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Stop, and give back what is not stored."""
        for consumer in self.consumers:
            consumer.stop()

    terminate = stop


def _track(incoming: list[Incoming]) -> None:
    log_outcome(track_messages(database(), get_settings(), incoming))


def _note(problem: str | None) -> None:
    """Write a heartbeat for everybody to see. Without the database they see that it is away."""
    with contextlib.suppress(StoreUnavailableError), database().write() as connection:
        record_heartbeat(connection, "intake" if problem is None else "intake_failure", problem)


def _note_nothing(_problem: str | None) -> None:
    """Leave it to the log: events whose confirmations are not read are sent again."""


def _open(
    connection: Connection,
    queue: Queue,
    worker: str,
    read_redis: Callable[[bytes], list[_T]],
    read_amqp: Callable[[Message], list[_T]],
) -> IncomingQueue[_T]:
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=True)
        if connection.transport.driver_type == "redis":
            return RedisQueue(connection, queue, worker, read_redis)
        return AmqpQueue(connection, queue, read_amqp)
    except BaseException:
        connection.release()
        raise
