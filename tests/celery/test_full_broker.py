"""A Redis that has no memory left refuses even acknowledgements. That ends no worker: it waits for better times."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.celery.world import hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.redis_node import RedisNode

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RedisNode]:
    node = RedisNode(tmp_path / "redis")
    yield node
    node.kill(forget=True)


def test_a_worker_outlives_a_redis_without_memory(postgres_url: str, node: RedisNode, programs: Programs) -> None:
    worker = programs.worker(environment(postgres_url, node.broker, "http://127.0.0.1:1"))
    with node.client() as client, psycopg.connect(postgres_url) as locker, reading(postgres_url) as store:
        locker.execute("LOCK TABLE tracked_projects IN ACCESS EXCLUSIVE MODE")
        hand_over(node.broker, {"kind": "video", "project_id": "in-hand-while-memory-ends"})
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            wait_for(lambda: watcher.execute(WAITING).fetchone() != (0,), 20, "the request is in hand, and waits")
        hand_over(node.broker, {"kind": "video", "project_id": "waiting-while-memory-ends"})
        client.config_set("maxmemory", "1")
        locker.rollback()
        wait_for(lambda: store.states() == {"active": 2}, 30, "what waits is taken, which makes room")
        client.config_set("maxmemory", "0")

        hand_over(node.broker, {"kind": "video", "project_id": "sent-when-there-is-room-again"})
        wait_for(lambda: store.states() == {"active": 3}, 60, "the worker goes on", lambda: worker.log[-2000:])
    assert worker.process.poll() is None


def test_a_full_broker_is_named_as_such_where_people_look(
    postgres_url: str, node: RedisNode, programs: Programs
) -> None:
    variables = environment(postgres_url, node.broker, "http://127.0.0.1:1")
    run = ["-c", "from worker.cli.main import main; main()"]
    programs.worker(variables)
    with node.client() as client, reading(postgres_url) as store:
        client.config_set("maxmemory", "1")
        beat = programs.beat(variables)
        query = "SELECT problem FROM heartbeats WHERE name = 'beat'"
        wait_for(lambda: "the broker is full" in (store.value(query) or ""), 60, "beat says why it cannot send")
        for name, words in {
            "health": [*run, "health", "beat"],
            "doctor": [*run, "doctor", "--only", "database"],
            "broker": [*run, "doctor", "--only", "broker"],
        }.items():
            said = programs.start(name, words, variables)
            said.ends()
            text = " ".join(said.log.split())
            assert "maxmemory" in text, name
            assert name == "health" or "free memory on the broker, or raise its maxmemory" in text, name
        client.config_set("maxmemory", "0")
        wait_for(lambda: "tasks are sent again" in beat.log, 60, "beat says that it is over", lambda: beat.log[-2000:])
    assert beat.log.count("maxmemory") == 1, beat.log
    assert "Message Error" not in beat.log
