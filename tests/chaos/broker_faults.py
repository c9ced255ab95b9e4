"""Faults of the brokers: killed, frozen, full, emptied, cut off."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import redis
from kombu import Connection

from tests.chaos.processes import signal_one
from tests.chaos.world import Inject, World
from tests.support.redis_node import RedisNode
from worker.tasks.names import CHECKS, DELIVERIES, INTAKE, UPKEEP

_OURS: Final = (CHECKS, DELIVERIES, INTAKE, UPKEEP)


def _node(world: World) -> RedisNode | None:
    node = world.broker_control
    return node if isinstance(node, RedisNode) and node.runs else None


def redis_killed(*, forget: bool) -> Inject:
    """Kill Redis, and start it again after a while, with its data or empty."""

    def act(world: World) -> bool:
        node = _node(world)
        if node is None:
            return False
        if forget:
            with world.messages_are_lost():
                node.kill(forget=True)
        else:
            node.kill(forget=False)
        world.later(world.random.uniform(0.2, 5), node.start)
        return True

    return act


def redis_frozen(world: World) -> bool:
    """Let Redis not answer for some seconds, sometimes longer than anybody waits for it."""
    node = _node(world)
    if node is None:
        return False
    with world.messages_are_lost():  # what it gives to a client that has left meanwhile
        node.freeze()
    seconds = world.random.uniform(1, 8)

    def thaw() -> None:
        with world.messages_are_lost():
            node.thaw()

    world.later(seconds, thaw)
    return True


def _command(act: Callable[["redis.Redis"], object]) -> Inject:
    def inject(world: World) -> bool:
        node = _node(world)
        if node is None:
            return False
        with suppress(redis.RedisError), node.client() as client:  # it may be frozen
            act(client)
            return True
        return False

    return inject


def redis_full(world: World) -> bool:
    """Let Redis refuse every message for some seconds, for lack of memory."""
    node = _node(world)
    if node is None or not _command(lambda client: client.config_set("maxmemory", "1"))(world):
        return False

    def enough() -> None:
        _command(lambda client: client.config_set("maxmemory", "0"))(world)

    world.later(world.random.uniform(1, 5), enough)
    return True


def redis_emptied(world: World) -> bool:
    """Let Redis forget everything, without anybody noticing."""
    with world.messages_are_lost():
        return _command(lambda client: client.flushall())(world)


def _cut(client: "redis.Redis") -> None:
    for kind in ("normal", "pubsub"):
        client.execute_command("CLIENT", "KILL", "TYPE", kind)  # type: ignore[no-untyped-call]


def redis_cut(world: World) -> bool:
    """Cut all connections; what was on its way to a client is gone."""
    with world.messages_are_lost():
        return _command(_cut)(world)


def embedded_killed(world: World) -> bool:
    """Kill the broker that ``renderwatch up`` runs."""
    servers = world.fleet.mains("redis-server") + world.fleet.mains("valkey-server")
    if not servers:
        return False
    with world.messages_are_lost():  # it writes its data once a second
        return signal_one(servers[0], signal.SIGKILL)


def _rabbitmqctl(*words: str) -> bool:
    control = shutil.which("rabbitmqctl")
    return control is not None and not subprocess.run([control, *words], capture_output=True, check=False).returncode


def _vhost(world: World) -> str:
    return world.broker.url.rsplit("/", 1)[1]


def rabbitmq_traced(world: World) -> None:
    """Let what goes through the virtual host be listened to."""
    _rabbitmqctl("trace_on", "--vhost", _vhost(world))


def rabbitmq_cut(world: World) -> bool:
    """Close all connections to the run's own virtual host."""
    return _rabbitmqctl("close_all_connections", "--vhost", _vhost(world), "chaos")


def rabbitmq_lost(world: World) -> bool:
    """Lose the virtual host with all queues, as a server that comes back without its disk."""
    user = world.broker.url.split("//")[1].partition(":")[0]
    name = _vhost(world)
    with world.messages_are_lost():
        gone = _rabbitmqctl("delete_vhost", name)
        world.live(world.random.uniform(0.2, 3))
        _rabbitmqctl("add_vhost", name)
        _rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
        rabbitmq_traced(world)
    return gone


def _channel(act: str) -> Inject:
    def inject(world: World) -> bool:
        queue = world.random.choice(_OURS)
        with suppress(Exception), Connection(world.broker.url, connect_timeout=3) as connection:
            getattr(connection.default_channel, act)(queue)
            return True
        return False

    return inject


REDIS: Final[dict[str, Inject]] = {
    "broker killed": redis_killed(forget=False),
    "broker killed, back empty": redis_killed(forget=True),
    "broker frozen": redis_frozen,
    "broker out of memory": redis_full,
    "broker emptied": redis_emptied,
    "broker connections cut": redis_cut,
}
RABBITMQ: Final[dict[str, Inject]] = {
    "broker connections cut": rabbitmq_cut,
    "broker back empty": rabbitmq_lost,
    "queue purged": _channel("queue_purge"),
    "queue deleted": _channel("queue_delete"),
}
EMBEDDED: Final[dict[str, Inject]] = {"broker killed": embedded_killed}
