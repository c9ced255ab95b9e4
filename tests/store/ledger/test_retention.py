"""Old projects go, the sums stay, and nobody else gets through the guards."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from tests.store.world import ROUTES, answer, change, name, of, seen, stored, track
from worker.store.engine import Database, clock
from worker.store.ledger.daily_totals import close_days, spend
from worker.store.ledger.retention import choose_old, retire
from worker.store.models import CreditDailyTotal, Event, RetiredCredit, RetiringProject, TrackedProject
from worker.store.monitoring.invariants import violations
from worker.tracking.maintenance import remove_old

HISTORY = ("status_transitions", "credit_adjustments", "events")
TOMORROW = timedelta(days=2)


@pytest.fixture
def old(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two closed projects and an open one, two days ago: as if the clock had gone on since, for booking."""
    for number in (1, 2, 3):
        track(database, number)
        answer(database, seen("rendering", 450), seen("complete", 300, type="LIP_SYNC"))
        if number < 3:
            close(database, number)
    with database.write() as connection:
        connection.execute(text("UPDATE deliveries SET state = 'sent', sent_at = created_at"))
    monkeypatch.setattr("worker.store.ledger.daily_totals.clock", later)
    with database.write() as connection:
        assert close_days(connection)
    return database


def later(connection: Connection) -> datetime:
    return clock(connection) + TOMORROW


def close(database: Database, number: int) -> None:
    at = datetime.now(UTC)
    change(database, number, state="closed", close_reason="settled", closed_at=at, next_check_at=None)


def gone(database: Database, most: int = 10, days: int = 1) -> int:
    with database.write() as connection:
        return retire(connection, choose_old(connection, clock(connection) + timedelta(days=days), most))


def report(database: Database) -> list[dict[str, object]]:
    with database.read() as connection:
        return spend(connection, ("month", "account", "kind", "type"))


def test_closed_projects_go_with_all_that_belongs_to_them_and_the_sums_stay(old: Database) -> None:
    before = report(old)
    assert gone(old) == 2
    assert of(stored(old, TrackedProject), "project_id") == [name(3)]
    assert report(old) == before
    (result,) = stored(old, RetiredCredit)
    assert (result["type"], result["entries"], result["charged"], result["corrected"]) == ("LIP_SYNC", 4, 900, -300)
    assert stored(old, RetiringProject) == []
    for table in HISTORY:
        with old.read() as connection:
            assert connection.scalar(text(f"SELECT count(DISTINCT tracked_project_id) FROM {table}")) == 1
            assert set(violations(connection).values()) == {0}
    assert gone(old) == 0


def test_it_goes_in_batches_and_adds_to_what_went_before(old: Database) -> None:
    assert [gone(old, most=1) for _ in range(3)] == [1, 1, 0]
    (result,) = stored(old, RetiredCredit)
    assert result["charged"] == 900


def test_what_is_not_old_enough_not_booked_or_not_delivered_stays(old: Database) -> None:
    assert gone(old, days=-1) == 0
    with old.write() as connection:
        connection.execute(text("UPDATE deliveries SET state = 'pending', sent_at = NULL"))
    assert gone(old) == 0
    with old.write() as connection:
        connection.execute(text("UPDATE deliveries SET state = 'dead'"))
        connection.execute(text("UPDATE books SET booked_until = '2020-01-01'"))
    assert gone(old) == 0


def test_the_last_event_of_the_feed_stays(old: Database) -> None:
    close(old, 3)
    assert gone(old) == 2
    assert {row["tracked_project_id"] for row in stored(old, Event)} == {stored(old, TrackedProject)[0]["id"]}


def test_only_retention_gets_through_the_guard(old: Database) -> None:
    for table in HISTORY:
        assert_refused(old, f"DELETE FROM {table} WHERE tracked_project_id <> 1")
        assert_refused(old, f"UPDATE {table} SET sequence = sequence")


def assert_refused(database: Database, statement: str) -> None:
    with database.engine.connect() as connection:
        announce(connection, 1)
        with pytest.raises(DBAPIError, match="never updated or deleted"):
            connection.execute(text(statement))


def announce(connection: Connection, key: int) -> None:
    connection.execute(text("INSERT INTO retiring_projects VALUES (:key)"), {"key": key})


def test_neither_open_projects_nor_unbooked_ones_can_be_announced(old: Database) -> None:
    (key,) = (row["id"] for row in stored(old, TrackedProject) if row["state"] != "closed")
    with pytest.raises(DBAPIError, match="only closed projects"), old.engine.begin() as connection:
        announce(connection, key)
    with old.write() as connection:
        connection.execute(text("UPDATE books SET booked_until = '2020-01-01'"))
    with pytest.raises(DBAPIError, match="only closed projects"), old.engine.begin() as connection:
        announce(connection, 1)


@pytest.mark.parametrize("statement", ["UPDATE credit_daily_totals SET charged = 0", "DELETE FROM credit_daily_totals"])
def test_a_booked_day_is_final(old: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="never changed"), old.engine.begin() as connection:
        connection.execute(text(statement))
    assert len(stored(old, CreditDailyTotal)) == 1


def test_without_a_retention_everything_stays(old: Database) -> None:
    assert remove_old(old, None) == 0
    assert remove_old(old, 86400) == 0
    with old.read() as connection:
        assert len(connection.scalars(select(TrackedProject.id)).all()) == 3


def test_what_was_removed_can_be_tracked_again(old: Database) -> None:
    gone(old)
    assert track(old, 1).new == 1
    assert ROUTES
