"""AMQP properties that py-amqp cannot read end no worker: the message is refused and kept."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from amqp import Connection as AmqpConnection
from amqp import basic_message
from kombu import Connection

from tests.celery.world import Store, hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"
QUEUES: Final = ("renderwatch.intake", "renderwatch.checks")
_HEADERS_FLAG: Final = 1 << 13
_TYPE_FLAG: Final = 1 << 15


class _Raw(basic_message.Message):
    """A message whose properties are these bytes."""

    raw: bytes

    def _serialize_properties(self) -> bytes:
        return self.raw


def _table(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _headers(content: bytes) -> bytes:
    return struct.pack(">H", _HEADERS_FLAG) + _table(content)


def _deep(levels: int) -> bytes:
    content = b""
    for _ in range(levels):
        content = b"\x01aF" + _table(content)
    return content


PROPERTIES: Final = {
    "a table nested 2,000 levels deep": _headers(_deep(2000)),
    "a time beyond the calendar": _headers(b"\x01aT" + struct.pack(">Q", 2**63)),
    "a type that is no UTF-8": struct.pack(">H", _TYPE_FLAG) + b"\x02\xff\xfe",
}


@contextmanager
def publishing(broker: Broker) -> Iterator[Any]:
    """Give a function that publishes properties as they are."""
    with Connection(broker.url) as parsed:
        info = parsed.info()
    host = f"{info['hostname']}:{info['port']}"
    connection = AmqpConnection(
        host, userid=info["userid"], password=info["password"], virtual_host=info["virtual_host"]
    )
    connection.connect()
    channel = connection.channel()

    def publish(queue: str, properties: bytes) -> None:
        message = _Raw(b"[]")
        message.raw = properties
        channel.basic_publish(message, exchange="", routing_key=queue)

    yield publish
    connection.close()


@pytest.mark.parametrize("queue", QUEUES)
def test_properties_that_cannot_be_read_stop_nobody(
    postgres_url: str, rabbitmq_service: Broker, programs: Programs, queue: str
) -> None:
    worker = programs.worker(environment(postgres_url, rabbitmq_service, NO_API))
    with publishing(rabbitmq_service) as publish, reading(postgres_url) as store:
        for number, (name, properties) in enumerate(PROPERTIES.items(), 1):
            publish(queue, properties)
            wait_for(partial(_refused, store, number), 20, f"{name} is refused", lambda: worker.log[-1500:])
            assert "not a Celery message" in store.refusals()[-1]
        hand_over(rabbitmq_service, {"kind": "video", "project_id": "good-project"})
        wait_for(lambda: store.states() == {"active": 1}, 20, "the next good one is taken")
    assert worker.process.poll() is None
    assert "Traceback" not in worker.log


def _refused(store: Store, count: int) -> bool:
    return len(store.refusals()) == count
