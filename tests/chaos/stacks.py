"""The three ways in which Renderwatch runs: on PostgreSQL with Redis or RabbitMQ, and all by itself."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.celery.world import reading
from tests.chaos import broker_faults, database_faults, messages, poison, process_faults
from tests.chaos.processes import Fleet
from tests.chaos.world import LEASE, Inject, World
from tests.support.processes import environment, wait_for
from tests.support.redis_node import RedisNode
from tests.support.services import Broker
from worker.simulator import Simulator

RATE: Final = 30.0
BURST: Final = 20
SETTINGS: Final[dict[str, Any]] = {
    "rate": RATE,
    "burst": BURST,
    "batch_size": 5,
    "lease_seconds": LEASE,
    "request_timeout": 1.5,
    "least_gap": 0.3,
    "greatest_gap": 1.5,
    # Longer together than the latest refund takes, or it would be missed rightly.
    "settle_gaps": [1, 3],
    "refund_gaps": [5],
    "dispatch_every": 0.5,
    "sweep_every": 2,
    "learn_every": 10,
    "routes": {"*": ["celery:orders.rendered?queue=orders"]},
}
_CELERY: Final = ["-m", "celery", "-A"]
_UP: Final = ["-c", "from worker.cli.main import main; main(prog_name='renderwatch')", "up"]
_SOCKET: Final = re.compile(r"on the Unix socket (\S+); data in")


@dataclass(frozen=True)
class Place:
    """Where a run takes place."""

    folder: Path
    random: Random
    simulator: Simulator

    @property
    def received(self) -> Path:
        """The file in which the downstream application keeps what it received."""
        return self.folder / "orders.jsonl"


@contextmanager
def redis_stack(place: Place, url: str) -> Iterator[World]:
    """PostgreSQL, and a Redis of the run's own."""
    node = RedisNode(place.folder / "redis")
    faults = broker_faults.REDIS | database_faults.POSTGRES | poison.REDIS
    try:
        with _servers("PostgreSQL and Redis", place, url, node.broker, faults) as world:
            world.broker_control = node
            yield world
    finally:
        node.thaw()
        node.kill(forget=True)


@contextmanager
def rabbitmq_stack(place: Place, url: str, broker: Broker) -> Iterator[World]:
    """PostgreSQL, and a virtual host of the run's own on RabbitMQ."""
    faults = broker_faults.RABBITMQ | database_faults.POSTGRES
    with _servers("PostgreSQL and RabbitMQ", place, url, broker, faults) as world:
        broker_faults.rabbitmq_traced(world)
        yield world


@contextmanager
def embedded_stack(place: Place) -> Iterator[World]:
    """``renderwatch up``: SQLite and the broker that it brings along."""
    url = f"sqlite:///{place.folder / 'renderwatch.db'}"
    variables = environment(url, Broker(""), place.simulator.url, **SETTINGS)
    variables["RENDERWATCH_STATE_DIR"] = str(place.folder / "state")
    fleet = Fleet(place.folder)
    fleet.start("up", _UP, variables)
    up = fleet.parts["up"].program
    up.says("track a project with", 60)
    socket = _SOCKET.search(up.log)
    assert socket, "without a Redis server there is no embedded broker that this test could read"
    broker = Broker(f"redis+socket://{socket[1]}")
    faults = process_faults.WORKERS | process_faults.UP | broker_faults.EMBEDDED | database_faults.SQLITE | poison.REDIS
    with _running("SQLite and the embedded broker", place, url, broker, faults, fleet) as world:
        yield world


@contextmanager
def _servers(name: str, place: Place, url: str, broker: Broker, faults: Mapping[str, Inject]) -> Iterator[World]:
    """Production's processes: two beats and two workers."""
    variables = environment(url, broker, place.simulator.url, **SETTINGS)
    fleet = Fleet(place.folder)
    for number in (1, 2):
        options = ["worker", "-n", f"worker-{number}@%h", "-c", "2", "--loglevel", "INFO"]
        fleet.start(f"worker-{number}", [*_CELERY, "worker.app", *options], variables)
        fleet.start(f"beat-{number}", [*_CELERY, "worker.app", "beat", "--loglevel", "INFO"], variables)
    with _running(name, place, url, broker, {**process_faults.WORKERS, **poison.SERVERS, **faults}, fleet) as world:
        wait_for(lambda: " ready." in fleet.parts["worker-1"].program.log, 60, "a worker is ready")
        yield world


@contextmanager
def _running(
    name: str, place: Place, url: str, broker: Broker, faults: Mapping[str, Inject], fleet: Fleet
) -> Iterator[World]:
    """Another team's application beside them, and at the end nothing runs any more."""
    variables = environment(url, broker, place.simulator.url) | {"ORDERS_FILE": str(place.received)}
    options = ["worker", "-n", "orders@%h", "-c", "1", "--loglevel", "INFO"]
    fleet.start("orders", [*_CELERY, "tests.celery.downstream", *options], variables)
    every = {**faults, **messages.MESSAGES, **poison.ALWAYS}
    try:
        with reading(url) as store:
            yield World(name, place.random, fleet, url, broker, place.simulator, store, every)
    finally:
        fleet.thaw()
        fleet.stop()
