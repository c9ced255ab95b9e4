"""What comes over the broker's control channel ends no worker."""

import json
from typing import Final

import pytest
import redis

from tests.adversary.raw_items import GOOD, breaks, broken, envelope, no_json
from tests.celery.world import hand_over, other_service, reading
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"


def _takes_the_next_one(url: str, broker: Broker, worker: Program) -> None:
    with reading(url) as store:
        hand_over(broker, {"kind": "video", "project_id": "good-project"})
        wait_for(lambda: store.states() == {"active": 1}, 30, "the next good one is taken", lambda: worker.log[-2000:])
    with other_service(broker) as app:
        assert wait_for(lambda: app.control.ping(timeout=1), 20, "the worker answers")
    assert worker.process.poll() is None
    assert "Unrecoverable" not in worker.log


def test_commands_that_would_stop_work_are_refused(postgres_url: str, broker: Broker, programs: Programs) -> None:
    worker = programs.worker(environment(postgres_url, broker, NO_API))
    with other_service(broker) as app:
        app.control.shutdown()
        for queue in ("renderwatch.intake", "renderwatch.checks", "renderwatch.upkeep"):
            app.control.cancel_consumer(queue)
        app.control.pool_shrink(2)
        app.control.broadcast("no_such_command", arguments={"a": [1]})
        app.control.broadcast("ping", arguments={"self": 1})
    _takes_the_next_one(postgres_url, broker, worker)


def test_control_messages_that_are_no_envelope_stop_nobody(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    if "global_keyprefix" not in redis_service.options:
        pytest.skip("only on a Redis at an address")
    worker = programs.worker(environment(postgres_url, redis_service, NO_API))
    whole = envelope(GOOD)
    with redis.Redis.from_url(redis_service.url) as client:
        database = client.connection_pool.connection_kwargs.get("db", 0)
        channel = f"{redis_service.options['global_keyprefix']}/{database}.celery.pidbox"
        wait_for(lambda: client.publish(channel, "not json") == 1, 10, "the worker listens")
        for item in [*no_json(), *(broken(whole, path, value) for path, value in breaks(whole)), json.dumps(whole)]:
            client.publish(channel, item)
    _takes_the_next_one(postgres_url, redis_service, worker)
