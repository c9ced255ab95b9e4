"""Processes that start before what they need is there, or with a setting that leads to the wrong place."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tests.journeys.journey import travelling
from tests.support.judge import Allowed
from tests.support.postgres_cluster import MovableAddress
from tests.support.processes import free_port, wait_for
from tests.support.services import Broker
from worker.simulator import Simulator
from worker.store.engine import Database
from worker.store.schema import migrate


def test_a_database_that_comes_later_is_reported_twice_and_then_used(
    tmp_path: Path, postgres_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    database = Database(postgres_url)
    migrate(database)
    database.close()
    given = urlsplit(postgres_url)
    address = MovableAddress(free_port())
    url = given._replace(netloc=f"{given.netloc.rpartition(':')[0]}:{address.port}").geturl()
    with travelling(tmp_path / "run", url, redis_service, simulator, reader_url=postgres_url) as journey:
        journey.allowed.append(Allowed("database unavailable", "it is, for a while"))
        journey.watch.excuse()
        worker = journey.start("worker", "worker", "--concurrency", "2")
        beat = journey.start("beat", "beat")
        for process in (worker, beat):
            process.says("database unavailable: ", 60)
            assert (
                "nothing is checked until it responds, and then work resumes by itself. Fix: start the" in process.log
            )
        address.target = given.port or 5432
        for process in (worker, beat):
            process.says("the database is available; resuming", 60)
        journey.watch.excuse(20)
        journey.create(3)
        journey.arrives(3)
        journey.tells_no_lies()
    address.close()


def test_a_base_url_without_the_api_is_named_at_the_start_and_by_the_doctor(
    tmp_path: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    with travelling(tmp_path / "run", sqlite_url, redis_service, simulator) as journey:
        wrong = f"{simulator.url}/api"
        journey.variables["MAGIC_HOUR_BASE_URL"] = wrong
        journey.allowed.append(Allowed("does not look like the Magic Hour API", "it is not there"))
        journey.run("migrate")
        worker = journey.start("worker", "worker", "--concurrency", "1")
        worker.says(f"{wrong} does not look like the Magic Hour API", 60)
        assert "correct MAGIC_HOUR_BASE_URL, which ends before /v1" in worker.log
        assert worker.process.poll() is None
        assert f"there is no Magic Hour API at {wrong}" in journey.complains("doctor", "--only", "api")
        journey.variables["MAGIC_HOUR_BASE_URL"] = f"{simulator.url}/v1"
        assert f"leave out /v1 and what follows, which is added to it: write {simulator.url}" in journey.refuses(
            "worker"
        )


def test_a_rabbitmq_that_refuses_us_later_is_not_asked_in_a_hurry(
    tmp_path: Path, sqlite_url: str, rabbitmq_service: Broker, simulator: Simulator
) -> None:
    given = urlsplit(rabbitmq_service.url)
    vhost = ("-p", given.path.removeprefix("/"))
    with travelling(tmp_path / "run", sqlite_url, rabbitmq_service, simulator) as journey:
        journey.run("migrate")
        worker = journey.start("worker", "worker", "--concurrency", "1")
        worker.says(" ready.", 60)
        journey.allowed.append(Allowed(r"(WARNING|ERROR) |Traceback", "the broker refuses us"))
        with journey.watch.broken(60):
            _rabbitmqctl("clear_permissions", *vhost, str(given.username))
            _rabbitmqctl("close_all_connections", *vhost, "test")
            wait_for(lambda: worker.log.count("consumer: Cannot connect") >= 4, 60, "it tries", lambda: worker.log)
            assert "Frequent restarts detected" not in worker.log
            _rabbitmqctl("set_permissions", *vhost, str(given.username), ".*", ".*", ".*")
        journey.start("beat", "beat")
        journey.create(3)
        journey.arrives(3)


def _rabbitmqctl(*words: str) -> None:
    subprocess.run(["rabbitmqctl", "--quiet", *words], check=True, capture_output=True)


def test_a_rabbitmq_that_refuses_us_is_named_in_one_line(
    tmp_path: Path, sqlite_url: str, rabbitmq_service: Broker, simulator: Simulator
) -> None:
    with travelling(tmp_path / "run", sqlite_url, rabbitmq_service, simulator) as journey:
        journey.run("migrate")
        given = urlsplit(rabbitmq_service.url)
        host = given.netloc.rpartition("@")[2]
        for url, said in (
            (f"{given.scheme}://{given.netloc}/nowhere", "vhost nowhere not found"),
            (f"{given.scheme}://guest:wrong@{host}{given.path}", "ACCESS_REFUSED"),
        ):
            journey.variables["CELERY_BROKER_URL"] = url
            for process in ("worker", "beat"):
                answer = journey.complains(process)
                assert "renderwatch: the broker refuses us: " in answer
                assert said in answer
                assert "correct CELERY_BROKER_URL" in answer
            assert said in journey.complains("doctor", "--only", "broker")
