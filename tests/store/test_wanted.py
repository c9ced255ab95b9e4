"""Before it sends a task, beat asks whether there is anything to do: never a no while there is."""

import psycopg
import pytest

from tests.store.world import ROUTES, answer, claim, pass_time, project, record, request, seen, track
from tests.store.world import hold as hold_project
from worker.store.deliveries import claim_deliveries, mark_sent
from worker.store.engine import Database
from worker.store.heartbeat import beat
from worker.store.wanted import Wanted

SILENCE = 10.0


@pytest.fixture
def quiet(database: Database) -> Database:
    """A database in which dispatch has just run."""
    dispatched(database)
    return database


def dispatched(database: Database) -> None:
    with database.write() as connection:
        beat(connection, "dispatch")


def dispatch(database: Database) -> bool:
    wanted = Wanted(database, SILENCE)
    answers = {wanted.dispatch() for _ in range(2)}  # the second time over the connection that it has
    wanted.close()
    return answers == {True}


def deliver(database: Database) -> bool:
    wanted = Wanted(database, SILENCE)
    answer = wanted.deliver()
    wanted.close()
    return answer


def test_dispatch_that_never_ran(database: Database) -> None:
    assert dispatch(database)


def test_after_an_error_it_connects_again(quiet: Database) -> None:
    wanted = Wanted(quiet, SILENCE)
    assert not wanted.dispatch()
    wanted._connection.close()
    with pytest.raises(Exception, match=r"closed"):
        wanted.dispatch()
    assert not wanted.dispatch()
    wanted.close()


def test_it_holds_no_transaction_open(postgres_url: str) -> None:
    database = Database(postgres_url)
    wanted = Wanted(database, SILENCE)
    assert wanted.dispatch()
    with psycopg.connect(postgres_url) as connection:
        states = connection.execute("SELECT state FROM pg_stat_activity WHERE datname = current_database()").fetchall()
    assert sorted(states) == [("active",), ("idle",)]
    wanted.close()
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
    with database.write() as connection:
        taken = claim_deliveries(connection, limit=100, lease_seconds=60)
    assert not deliver(database)
    pass_time(database, 61)
    assert deliver(database)
    with database.write() as connection:
        mark_sent(connection, [delivery.id for delivery in taken])
    assert not deliver(database)
