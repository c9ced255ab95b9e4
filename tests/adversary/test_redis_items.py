"""Whatever is pushed onto a list of ours in Redis, the workers go on, and what is wrong is kept with its reason."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import redis

from tests.adversary.raw_items import GOOD, breaks, broken, envelope, no_json, random_items
from tests.celery.world import Store, hand_over, reading
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"
QUEUES: Final = ("renderwatch.intake", "renderwatch.checks", "renderwatch.deliveries", "renderwatch.upkeep")


@contextmanager
def pushing(broker: Broker) -> Iterator[Any]:
    """Give a function that pushes an item onto a queue's list."""
    if "global_keyprefix" not in broker.options:
        pytest.skip("only on a Redis at an address")
    with redis.Redis.from_url(broker.url) as client:
        yield lambda queue, item: client.lpush(f"{broker.options['global_keyprefix']}{queue}", item)


def _good_one(store: Store, broker: Broker, number: int) -> None:
    hand_over(broker, {"kind": "image", "project_id": f"good-project-{number}"})
    query = "SELECT count(*) FROM tracked_projects WHERE project_id = :id"
    wait_for(lambda: store.value(query, id=f"good-project-{number}") == 1, 20, "a good message is taken")


def _alive(worker: Program) -> None:
    assert worker.process.poll() is None, worker.log[-3000:]
    assert "Traceback" not in worker.log


@pytest.mark.parametrize("queue", QUEUES)
def test_items_that_are_no_envelope_are_kept_and_stop_nobody(
    postgres_url: str, redis_service: Broker, programs: Programs, queue: str
) -> None:
    worker = programs.worker(environment(postgres_url, redis_service, NO_API))
    items = no_json()
    with pushing(redis_service) as push, reading(postgres_url) as store:
        for item in items:
            push(queue, item)
        wait_for(lambda: len(store.refusals()) == len(items), 30, "all are refused", store.refusals)
        _good_one(store, redis_service, 1)
        assert all("not a Celery message" in reason for reason in store.refusals())
        kept = {row["request"] for row in store.rows("SELECT request FROM rejected_requests")}
        assert {"not json", "", "null", json.dumps(GOOD)} <= kept
        largest = store.value("SELECT max(request_bytes) FROM rejected_requests")
        assert largest == max(len(item.decode("utf-8", "replace").encode()) for item in items), (
            "it says how long it was"
        )
    _alive(worker)


@pytest.mark.parametrize("queue", QUEUES)
def test_envelopes_with_one_wrong_field_are_taken_or_kept_and_stop_nobody(
    postgres_url: str, redis_service: Broker, programs: Programs, queue: str
) -> None:
    """Each is for a project of its own: afterwards it is tracked, or refused with its reason. None is gone."""
    worker = programs.worker(environment(postgres_url, redis_service, NO_API))
    wrong = breaks(envelope(GOOD))
    count = len(wrong)
    with pushing(redis_service) as push, reading(postgres_url) as store:
        for number, (path, value) in enumerate(wrong):
            whole = envelope({**GOOD, "project_id": f"broken-project-{number}"}, queue=queue)
            push(queue, broken(whole, path, value))
        _good_one(store, redis_service, 1)

        def settled() -> bool:
            return len(store.refusals()) + sum(store.states().values()) >= count + 1

        wait_for(settled, 60, f"{count} are taken or kept", lambda: (store.states(), len(store.refusals())))
    _alive(worker)


def test_envelopes_that_are_damaged_at_random_stop_nobody(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    worker = programs.worker(environment(postgres_url, redis_service, NO_API))
    with pushing(redis_service) as push, reading(postgres_url) as store:
        for number, queue in enumerate(QUEUES):
            for item in random_items(number, 300):
                push(queue, item)
            _good_one(store, redis_service, number)
            _alive(worker)
