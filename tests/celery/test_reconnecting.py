"""Beat keeps one connection for its whole life. When RabbitMQ closes it, beat has to get itself another one."""

import subprocess
from typing import Any

from kombu import Connection

from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.tasks.names import UPKEEP


def _waiting(broker: Broker) -> int:
    with Connection(broker.url) as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_declare(UPKEEP, passive=True).message_count)


def _empty(broker: Broker) -> None:
    with Connection(broker.url) as connection:
        channel: Any = connection.default_channel
        channel.queue_purge(UPKEEP)


def test_beat_goes_on_after_rabbitmq_has_closed_its_connection(
    sqlite_url: str, rabbitmq_service: Broker, programs: Programs
) -> None:
    beat = programs.beat(environment(sqlite_url, rabbitmq_service, "http://127.0.0.1:1", dispatch_every=0.2))
    beat.says("is starting")
    wait_for(lambda: "renderwatch.upkeep" in _queues(rabbitmq_service), 30, "beat has declared its queue")
    wait_for(lambda: _waiting(rabbitmq_service) > 1, 30, "beat sends")

    vhost = rabbitmq_service.url.rsplit("/", 1)[1]
    closed = ["rabbitmqctl", "close_all_connections", "--vhost", vhost, "maintenance"]
    subprocess.run(closed, check=True, capture_output=True, timeout=60)
    _empty(rabbitmq_service)

    wait_for(lambda: _waiting(rabbitmq_service) > 1, 30, "beat sends again", lambda: beat.log[-1000:])


def _queues(broker: Broker) -> str:
    vhost = broker.url.rsplit("/", 1)[1]
    listed = ["rabbitmqctl", "list_queues", "--vhost", vhost, "--silent", "name"]
    return subprocess.run(listed, check=True, capture_output=True, text=True, timeout=60).stdout
