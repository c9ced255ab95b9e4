"""Before it sends a task, beat asks whether there is anything to do: never a no while there is."""

import pytest

from tests.store.world import ROUTES, answer, claim, pass_time, project, record, request, seen, track
from tests.store.world import hold as hold_project
from worker.store.deliveries import claim_deliveries, mark_sent
from worker.store.engine import Database
from worker.store.heartbeat import beat
from worker.store.wanted import deliver_wanted, dispatch_wanted

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
    with database.read() as connection:
        return dispatch_wanted(connection, SILENCE)


def deliver(database: Database) -> bool:
    with database.read() as connection:
        return deliver_wanted(connection)


def test_dispatch_that_never_ran(database: Database) -> None:
    assert dispatch(database)


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
