"""Before it sends a task, beat asks whether there is anything to do: never a no while there is."""

import psycopg
import pytest

from tests.store.deliveries import claiming as deliveries
from tests.store.world import ROUTES, answer, claim, pass_time, project, record, request, seen, track
from tests.store.world import hold as hold_project
from worker.store.engine import Database
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.store.monitoring.pending_work import is_delivery_due, is_dispatch_wanted

SILENCE = 10.0


@pytest.fixture
def quiet(database: Database) -> Database:
    """A database in which dispatch has just run."""
    dispatched(database)
    return database


def dispatched(database: Database) -> None:
    with database.write() as connection:
        record_heartbeat(connection, "dispatch")


def dispatch(database: Database) -> bool:
    with database.read_once() as connection:
        return is_dispatch_wanted(connection, SILENCE)


def deliver(database: Database) -> bool:
    with database.read_once() as connection:
        return is_delivery_due(connection)


def test_dispatch_that_never_ran(database: Database) -> None:
    assert dispatch(database)


def test_it_holds_no_transaction_open(postgres_url: str) -> None:
    database = Database(postgres_url)
    assert dispatch(database)
    with psycopg.connect(postgres_url) as connection:
        states = connection.execute("SELECT state FROM pg_stat_activity WHERE datname = current_database()").fetchall()
    assert sorted(states) == [("active",), ("idle",)]
    database.close()


def test_dispatch_of_nothing(quiet: Database) -> None:
    assert not dispatch(quiet)


def test_dispatch_after_a_silence(quiet: Database) -> None:
    pass_time(quiet, SILENCE + 1)
    assert dispatch(quiet)


@pytest.mark.parametrize("account", ["default", "studio"])
def test_dispatch_of_a_new_project_of_any_account(quiet: Database, account: str) -> None:
    track(quiet, request(1, account="default"))
    answer(quiet, seen("rendering"))
    track(quiet, request(2, account=account))
    assert dispatch(quiet)


def test_dispatch_of_a_project_when_its_time_has_come(quiet: Database) -> None:
    track(quiet, 1)
    answer(quiet, seen("rendering"))
    assert not dispatch(quiet)
    pass_time(quiet, project(quiet)["check_gap"])
    dispatched(quiet)
    assert dispatch(quiet)


def test_dispatch_of_a_project_that_is_being_checked(quiet: Database) -> None:
    track(quiet, 1)
    claim(quiet)
    assert dispatch(quiet)


def test_delivery_while_there_is_news(database: Database) -> None:
    assert not deliver(database)
    track(database, 1)
    record(database, hold_project(database), seen("complete"), ROUTES)
    assert deliver(database)


def test_delivery_of_what_was_sent_or_is_being_sent(database: Database) -> None:
    track(database, 1)
    record(database, hold_project(database), seen("complete"), ROUTES)
    taken = deliveries.claim(database)
    assert not deliver(database)
    pass_time(database, 61)
    assert deliver(database)
    deliveries.sent(database, taken)
    assert not deliver(database)
