"""Workers that are stopped or killed, and a database that goes away, lose nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from tests.celery.world import Store, entry, hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker, psycopg_url
from worker.simulator import Simulator, SimulatorOptions, running_simulator

SETTINGS = {
    "rate": 500,
    "burst": 2000,
    "least_gap": 0.3,
    "greatest_gap": 0.5,
    "settle_gaps": [0.3],
    "refund_gaps": [],
    "dispatch_every": 0.2,
    "request_timeout": 1,
    "lease_seconds": 2,
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Renders that take a second or two, and none of them fails."""
    options = SimulatorOptions(time_scale=50, spread=0, failure_rate=0, cancel_rate=0)
    with running_simulator(options) as simulator:
        yield simulator


@contextmanager
def _unreachable(url: str) -> Iterator[None]:
    """Let nobody into a PostgreSQL database, and throw out who is in it."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(psycopg_url(url, "postgres"), autocommit=True) as server:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        server.execute(allow.format(sql.Identifier(str(name)), sql.SQL("false")))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            server.execute(allow.format(sql.Identifier(str(name)), sql.SQL("true")))


def _checks(store: Store) -> int:
    return int(store.value("SELECT coalesce(sum(check_count), 0) FROM tracked_projects"))


def test_a_worker_that_is_asked_to_stop_ends_well_and_leaves_no_batch_behind(
    postgres_url: str, redis_service: Broker, simulator: Simulator, programs: Programs
) -> None:
    variables = environment(postgres_url, redis_service, simulator.url, **SETTINGS | {"lease_seconds": 3600})
    programs.beat(variables)
    worker = programs.worker(variables)
    projects = simulator.create(300, "/v1/image-to-video")
    hand_over(redis_service, {"projects": [entry(project) for project in projects]})
    with reading(postgres_url) as store:
        wait_for(lambda: _checks(store) > 300, 30, "the worker is busy checking")

        worker.ask_to_stop()

        assert worker.ends() == 0
        # What it had begun it finished, and what it had not begun another one takes: no lease has to run out.
        programs.worker(variables, "next")
        wait_for(lambda: store.all_closed(300), 40, "another worker takes over", store.states)
    assert "Traceback" not in worker.log


def test_projects_of_a_killed_worker_are_checked_again_after_their_lease(
    postgres_url: str, redis_service: Broker, simulator: Simulator, programs: Programs
) -> None:
    variables = environment(postgres_url, redis_service, simulator.url, **SETTINGS)
    programs.beat(variables)
    worker = programs.worker(variables)
    projects = simulator.create(300, "/v1/image-to-video")
    hand_over(redis_service, {"projects": [entry(project) for project in projects]})
    with reading(postgres_url) as store:
        wait_for(lambda: _checks(store) > 300 and _leased(store), 30, "the worker is busy checking")

        worker.kill()

        wait_for(lambda: _leased(store) > 0, 10, "projects are left with the lease of the dead worker")
        programs.worker(variables, "next")
        wait_for(lambda: store.all_closed(300), 40, "another worker takes over", store.states)
        ledger = store.value("SELECT sum(amount) FROM credit_adjustments")
        finished = store.value("SELECT count(*) FROM events WHERE type = 'project.completed'")
    assert ledger == sum(record["timeline"][-1]["credits_charged"] for record in simulator.record())
    assert finished == 300


def _leased(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM tracked_projects WHERE lease_token IS NOT NULL"))


def test_requests_that_come_while_the_database_is_away_are_accepted_when_it_is_back(
    postgres_url: str, broker: Broker, simulator: Simulator, programs: Programs
) -> None:
    variables = environment(postgres_url, broker, simulator.url, **SETTINGS)
    beat = programs.beat(variables)
    worker = programs.worker(variables)
    projects = simulator.create(3, "/v1/image-to-video")
    with _unreachable(postgres_url):
        hand_over(broker, *[entry(project) for project in projects])
        worker.says("wait in the queue renderwatch.intake")
        worker.says("nothing dispatched")

    with reading(postgres_url) as store:
        wait_for(lambda: store.all_closed(3), 60, "all requests are accepted and followed", store.states)
        assert store.refusals() == []
    assert "Traceback" not in worker.log + beat.log
