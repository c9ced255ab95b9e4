"""A worker that hears nothing while work waits."""

import pytest

from tests.celery.world import reading
from tests.store.world import pass_time, track
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.store.engine import Database, StoreUnavailableError
from worker.store.heartbeat import beat
from worker.store.stillness import work_waits
from worker.tasks.watchdog import EXIT_CODE, Watchdog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_hears_something_is_not_deaf_and_who_hears_nothing_is_when_work_waits() -> None:
    clock, waiting = Clock(), [True]
    watchdog = Watchdog(60, lambda _: waiting[0], clock)
    clock.now = 59
    assert not watchdog.is_deaf()
    clock.now = 61
    assert watchdog.is_deaf()
    waiting[0] = False
    assert not watchdog.is_deaf()
    waiting[0] = True
    watchdog.message_came()
    assert not watchdog.is_deaf()


def test_without_the_database_nobody_knows_whether_work_waits() -> None:
    def waits(_: float) -> bool:
        raise StoreUnavailableError("away")

    clock = Clock()
    watchdog = Watchdog(60, waits, clock)
    clock.now = 100
    assert not watchdog.is_deaf()


def test_work_waits_when_projects_are_due_and_nothing_is_dispatched(database: Database) -> None:
    def waits() -> bool:
        with database.read() as connection:
            return work_waits(connection, 300)

    assert not waits()
    track(database, 1)
    assert not waits()
    pass_time(database, 400)
    assert waits()
    with database.write() as connection:
        beat(connection, "dispatch")
    assert not waits()


@pytest.mark.parametrize("patience", [2])
def test_a_worker_that_gets_nothing_while_projects_are_due_ends_to_be_started_anew(
    postgres_url: str, redis_service: Broker, programs: Programs, patience: float
) -> None:
    # There is no beat, so nothing is ever dispatched: to the worker it is all the same as a connection that is dead.
    variables = environment(postgres_url, redis_service, "http://127.0.0.1:9", watchdog_after=patience)
    worker = programs.worker(variables)
    with reading(postgres_url) as store:
        track(store.database, 1)
    assert worker.ends() == EXIT_CODE
    wait_for(lambda: "beat is not running" in worker.log, 5, "it says why")
