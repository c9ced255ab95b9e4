"""An intake queue that cannot be read, or is not read, is named where people look, and not only in the log."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.celery.world import hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.store.engine import Database
from worker.store.monitoring.health import read_health
from worker.tasks.intake import consumer
from worker.tasks.intake.consumer import QueueConsumer, intake_problem
from worker.tasks.processes.watchdog import Watchdog, _reason_to_end

DOCTOR = ["-c", "from worker.cli.main import main; main()", "doctor", "--only", "database"]
HEALTH = ["-c", "from worker.cli.main import main; main()", "health", "worker"]


def test_a_queue_that_cannot_be_read_is_in_doctor_and_health_until_it_can(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    prefix = redis_service.options.get("global_keyprefix")
    if prefix is None:
        pytest.skip("only on a Redis at an address")
    variables = environment(postgres_url, redis_service, "http://127.0.0.1:9")
    with redis.Redis.from_url(redis_service.url) as client, reading(postgres_url) as store:
        client.set(f"{prefix}renderwatch.intake", "the value of another program")
        programs.worker(variables)

        def said(name: str, command: list[str]) -> str:
            program = programs.start(name, command, variables)
            program.ends()
            return " ".join(program.log.split())

        query = "SELECT problem FROM heartbeats WHERE name = 'intake_failure'"
        wait_for(lambda: "WRONGTYPE" in (store.value(query) or ""), 30, "the failure is noted")
        wait_for(lambda: "WRONGTYPE" in said("health", HEALTH), 30, "health names it")
        doctor = said("doctor", DOCTOR)
        assert "FAIL intake_not_read: the queue renderwatch.intake cannot be read: " in doctor
        assert "WRONGTYPE" in doctor
        assert "another program uses the key of this queue" in doctor

        client.delete(f"{prefix}renderwatch.intake")
        hand_over(redis_service, {"kind": "video", "project_id": "after-the-repair"})
        wait_for(lambda: store.states() == {"active": 1}, 60, "it is read again")
        wait_for(lambda: "worker: ok" in said("well", HEALTH), 30, "health is content")
        wait_for(lambda: "intake_not_read" not in said("content", DOCTOR), 30, "doctor too")


class Standing:
    """A queue whose broker never answers."""

    def __init__(self) -> None:
        self.end = threading.Event()

    def wait(self) -> bool:
        self.end.wait()
        return False

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueConsumer[Any]]:
    queue: Any = Standing()
    monkeypatch.setattr(consumer, "SILENT_AFTER", 0.01)
    found = QueueConsumer[Any]("intake", lambda: queue, lambda _: None, lambda _: None)
    found.start()
    yield found
    queue.end.set()
    found.stop()


def test_an_intake_thread_that_stands_still_is_named_and_ends_its_worker(
    database: Database, standing: QueueConsumer[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: "stood still" in (intake_problem() or ""), 30, "it is seen")

    def read() -> Any:  # noqa: ANN401  not asked
        with database.read() as connection:
            return read_health(connection, keys=(), target_delay=5)

    watchdog = Watchdog("worker", 300, read)
    assert _reason_to_end("worker", 300, watchdog) is None
    monkeypatch.setattr(standing, "_turned_at", standing._turned_at - 400)
    assert "intake thread of this worker has stood still" in (_reason_to_end("worker", 300, watchdog) or "")
    assert _reason_to_end("beat", 300, watchdog) is None
