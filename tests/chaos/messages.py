"""Messages that come twice, or long after their time."""

import base64
import json
import time
from contextlib import suppress
from typing import Any, Final

import redis
from kombu import Connection, Exchange, Queue

from tests.celery.world import other_service
from tests.chaos.world import LEASE, World
from worker.tasks.names import CHECK, CHECKS

_AT_ONCE: Final = 5
_SPY: Final = "chaos.spy"


def repeated(world: World) -> bool:
    """Send check messages that are under way a second and a third time."""
    now = time.monotonic()
    fresh = [lease for at, lease in listen(world) if now - at < LEASE]
    return _send(world, fresh[-_AT_ONCE:] * 2)


def late(world: World) -> bool:
    """Send check messages again whose lease has long been over, in another order."""
    listen(world)
    now = time.monotonic()
    old = [lease for at, lease in world.leases if now - at > LEASE]
    return _send(world, world.random.sample(old, min(_AT_ONCE, len(old))))


def listen(world: World) -> list[tuple[float, str]]:
    """Note the check messages that are under way now."""
    with suppress(Exception):  # whatever a broker under attack says
        bodies = _on_rabbitmq(world) if world.broker.url.startswith("amqp") else _on_redis(world)
        known = {lease for _, lease in world.leases}
        world.leases.extend((time.monotonic(), lease) for lease in map(_lease, bodies) if lease and lease not in known)
    return list(world.leases)


def _on_redis(world: World) -> list[Any]:
    url = world.broker.url.replace("redis+socket://", "unix://")
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        waiting: Any = client.lrange(CHECKS, 0, -1)
        taken: Any = client.hvals("unacked")
    messages = [json.loads(text) for text in waiting] + [json.loads(text)[0] for text in taken]
    return [base64.b64decode(message["body"]) for message in messages if message["headers"].get("task") == CHECK]


def _on_rabbitmq(world: World) -> list[Any]:
    # Celery publishes past all exchanges, so that only the virtual host's trace can be listened to.
    trace = Exchange("amq.rabbitmq.trace", type="topic", no_declare=True)
    spy = Queue(_SPY, trace, f"deliver.{CHECKS}", max_length=100, durable=False, expires=600)
    bodies = []
    with Connection(world.broker.url, connect_timeout=2) as connection, connection.channel() as channel:
        bound = spy(channel)
        bound.declare()
        while (message := bound.get(no_ack=True)) is not None:
            bodies.append(message.body)
    return bodies


def _lease(body: Any) -> str | None:  # noqa: ANN401  bytes or text
    lease = json.loads(body)[1].get("lease")
    return lease if isinstance(lease, str) else None


def _send(world: World, leases: list[str]) -> bool:
    with suppress(Exception), other_service(world.broker) as app:
        for lease in leases:
            app.send_task(CHECK, kwargs={"lease": lease}, exchange="", routing_key=CHECKS, retry=False)
        return bool(leases)
    return False


MESSAGES: Final = {"messages repeated": repeated, "messages late": late}
