"""Poison: messages that no healthy service sends, projects that the API refuses, an address where no API is."""

from contextlib import suppress
from typing import Final

import redis

from tests.adversary.raw_items import no_json
from tests.celery.malformed import malformed_messages
from tests.celery.world import INTAKE, TRACK, other_service
from tests.chaos.world import Inject, World
from worker.domain.intake.request import parse_request
from worker.store.intake.store_requests import store_requests
from worker.tasks.names import CHECKS, DELIVERIES, UPKEEP

_AT_ONCE: Final = 5
_MANY: Final = 10_001
# Fewer refusals than these do not open the circuit of an account.
_ENOUGH: Final = 25


def poisoned(world: World) -> bool:
    """Send some malformed messages to the intake queue."""
    messages = malformed_messages(world.fleet.folder / "unpickled")
    with suppress(Exception):  # the broker may be away
        for message in world.random.sample(messages, _AT_ONCE):
            message.publish(world.broker)
        return True
    return False


def no_envelopes(world: World) -> bool:
    """Push items that are no envelope onto the lists of Redis."""
    url = world.broker.url.replace("redis+socket://", "unix://")
    with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        for item in world.random.sample(no_json(), _AT_ONCE):
            client.lpush(world.random.choice((INTAKE, CHECKS, DELIVERIES, UPKEEP)), item)
        return True
    return False


def many_ids(world: World) -> bool:
    """Send one message with more ids than a transaction takes: of a project that is tracked anyhow."""
    known = world.simulator.record()
    if not known:
        return False
    project = {"kind": known[0]["kind"], "project_id": known[0]["id"]}
    with suppress(Exception), other_service(world.broker) as app:
        app.send_task(TRACK, kwargs={"projects": [project] * _MANY}, queue=INTAKE, retry=False)
        return True
    return False


def refused_for_ever(world: World) -> bool:
    """Track a project that the API refuses with a 403, whatever happens."""
    (project,) = world.simulator.create(1)
    world.simulator.simulation.misfortune.refused.add(project.id)
    request = parse_request({"kind": project.endpoint.kind, "project_id": project.id}, ())
    with suppress(Exception), world.store.database.write() as connection:
        store_requests(connection, [request])
    world.refused[project.id] = request.kind
    return True


def misplaced(world: World) -> bool:
    """Let every path be wrong for a while, as with a base URL that is."""
    simulation = world.simulator.simulation
    before = simulation.answers[404]
    simulation.misfortune.is_misplaced = True

    def put_right() -> None:
        simulation.misfortune.is_misplaced = False
        if simulation.answers[404] - before >= _ENOUGH:
            world.demand_red("the base URL was wrong")

    world.later(world.outage, put_right)
    return True


def without_checks(world: World) -> bool:
    """Let all workers read every queue but that of the checks for a while."""
    parts = [part for part in world.fleet.parts.values() if part.name.startswith("worker-")]

    def restart(options: list[str]) -> None:
        for part in parts:
            part.command = [word for word in part.command if word not in _OTHERS] + options
            part.expected_end = True
            part.program.process.terminate()

    def put_right() -> None:
        world.demand_red("the queue of the checks had no consumer")
        restart([])

    restart(_OTHERS)
    world.later(max(world.outage, 45.0), put_right)
    return True


_OTHERS: Final = ["-Q", f"{INTAKE},{DELIVERIES},{UPKEEP}"]
ALWAYS: Final[dict[str, Inject]] = {
    "malformed messages": poisoned,
    "10,001 ids in a message": many_ids,
    "project refused for ever": refused_for_ever,
    "base URL misplaced": misplaced,
}
REDIS: Final[dict[str, Inject]] = {"items that are no envelope": no_envelopes}
SERVERS: Final[dict[str, Inject]] = {
    "queue without consumer": without_checks,
}
