"""The intake queue on RabbitMQ: a channel with a prefetch of its own, acknowledged a batch at a time."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from kombu import Connection, Queue

from worker.tasks.intake.protocol import Message

_T = TypeVar("_T")
MOST_MESSAGES: Final = 500
_MOST_BATCH: Final = 8 * 1024 * 1024
_WAIT: Final = 1.0


class AmqpQueue(Generic[_T]):
    """A consumer of the queue. Not thread-safe. RabbitMQ itself requeues unacknowledged messages."""

    def __init__(self, connection: Connection, queue: Queue, read: Callable[[Message], list[_T]]) -> None:
        """Connect, declare the queue and start to consume it."""
        self._connection: Any = connection
        channel: Any = connection.channel()
        self._channel = channel
        self._read = read
        queue(channel).declare()
        self._messages: list[Any] = []
        self._bytes = 0
        channel.basic_qos(0, MOST_MESSAGES, False)  # noqa: FBT003  as AMQP has it
        channel.basic_consume(queue=queue.name, callback=self._on_message)

    def _on_message(self, message: Any) -> None:  # noqa: ANN401  py-amqp's
        self._messages.append(message)
        self._bytes += len(message.body)

    def wait(self) -> bool:
        """Wait for a message, a second at most. Returns whether there is one."""
        self._drain(_WAIT)
        return bool(self._messages)

    def take(self) -> list[list[_T]]:
        """Take messages received so far, up to 500, and return what was read from each message held."""
        while len(self._messages) < MOST_MESSAGES and self._bytes < _MOST_BATCH and self._drain(0):
            pass
        return [self._read(_open(message)) for message in self._messages]

    def _drain(self, seconds: float) -> bool:
        """Read the next data, and return whether there was any. Sends heartbeats too."""
        self._connection.heartbeat_check()
        try:
            self._connection.drain_events(timeout=seconds or 0.0001)
        except TimeoutError:
            return False
        return True

    def done(self) -> None:
        """Acknowledge what was taken: it is stored."""
        if self._messages:
            self._channel.basic_ack(self._messages[-1].delivery_tag, multiple=True)
        self._messages, self._bytes = [], 0

    def keep_alive(self) -> None:
        """Send a heartbeat if one is due."""
        self._connection.heartbeat_check()

    def give_back_of_others(self) -> int:
        """Do nothing: RabbitMQ does it when a connection ends."""
        return 0

    def close(self) -> None:
        """Close the connection: what is held goes back."""
        self._connection.release()


def _open(message: Any) -> Message:  # noqa: ANN401  as above
    properties = message.properties
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "surrogatepass")
    return Message(
        properties.get("application_headers"), properties.get("content_type"), properties.get("content_encoding"), body
    )
