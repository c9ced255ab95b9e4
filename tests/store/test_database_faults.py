"""Faults of PostgreSQL in the middle of the work: it is done once, or not at all and then again; never by half."""

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from sqlalchemy import update

from tests.store.checking import (
    PATIENCE,
    SETTINGS,
    Other,
    api,
    assert_nothing_recorded,
    assert_recorded_once,
    beside,
    check_batch,
    check_claimed,
    faults_of,
)
from tests.store.deliveries.claiming import one_by_one
from tests.store.world import LEASE, claim, hold, name, of, pass_time, record, seen, stored, track
from worker.domain.deliveries.due import DueDelivery
from worker.store.engine import Database, StoreUnavailableError
from worker.store.models import Account, Base, Delivery, TrackedProject
from worker.tracking.deliver import Delivered, deliver
from worker.tracking.intake.track import IntakeResult
from worker.tracking.intake.track import track as take_in

DEADLOCK: Final = "40P01"
NO_ORDER: Final = "40001"
DISK_FULL: Final = "53100"
AT_THE_STATEMENT: Final = "CREATE TRIGGER fail AFTER INSERT ON events"
AT_THE_COMMIT: Final = (
    "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
)
WHEN_SENT: Final = "CREATE TRIGGER fail AFTER UPDATE ON deliveries FOR EACH ROW WHEN (NEW.state = 'sent')"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


def do(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def fail(url: str, times: int, code: str, *when: str) -> None:
    """Let the database raise an error so many times when something happens. A sequence counts: it is never undone."""
    do(
        url,
        "CREATE SEQUENCE faults",
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('faults') <= {times} THEN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{code}'; END IF;"
        " RETURN NULL; END $$",
        *(f"{each} EXECUTE FUNCTION fail()" for each in when),
    )


def test_a_recording_that_a_deadlock_undoes_is_done_again(database: Database, postgres_url: str) -> None:
    """The other program locks account and project in the opposite order; a third makes sure that ours comes last."""
    track(database, 1, 2)
    with database.write() as connection:  # so that recording good answers locks the account, after the projects
        connection.execute(update(Account).values(failure_streak=1))
    faults = faults_of(database)
    with beside() as start, Other(postgres_url) as gate, Other(postgres_url) as other:

        def lock() -> None:
            gate.does("LOCK TABLE status_transitions IN SHARE MODE")
            other.does("UPDATE accounts SET tokens = 7")

        with api(lock) as server:
            ours = start(check_batch, database, server)
            gate.blocks()
            theirs = start(other.does, f"UPDATE tracked_projects SET name = 'x' WHERE project_id = '{name(1)}'")
            other.is_blocked()
            gate.commits()
            theirs.result(PATIENCE)
            other.commits()
            recorded = ours.result(PATIENCE)
    assert faults == [DEADLOCK]
    assert recorded is not None
    assert (recorded.checked, recorded.changed, recorded.lost) == (2, 2, 0)
    assert len(server.paths) == 2
    assert of(stored(database, Account), "tokens", "failure_streak") == [(7.0, 0)]
    assert_recorded_once(database, 2)


def test_an_intake_that_a_deadlock_undoes_is_done_again(database: Database, postgres_url: str) -> None:
    """Another program stores the same ids in the opposite order; a third makes sure that ours comes last."""
    track(database, 9)
    columns = [column for column in stored(database, TrackedProject)[0] if column not in ("id", "project_id")]
    copied = ", ".join(f'"{column}"' for column in columns)
    insert = (
        f"INSERT INTO tracked_projects (project_id, {copied}) SELECT '{{}}', {copied} FROM tracked_projects LIMIT 1"
    )
    faults = faults_of(database)
    items = [{"kind": "video", "project_id": name(number)} for number in (1, 2, 3)]
    with beside() as start, Other(postgres_url) as gate, Other(postgres_url) as other:
        gate.does(insert.format(name(2)))
        other.does(insert.format(name(3)))
        ours = start(take_in, database, SETTINGS, items)
        gate.blocks()
        theirs = start(other.does, insert.format(name(1)))
        other.is_blocked()
        gate.rolls_back()
        theirs.result(PATIENCE)
        other.commits()
        assert ours.result(PATIENCE) == IntakeResult(new=1, known=2, reopened=0, rejected=())
    assert faults == [DEADLOCK]
    assert sorted(of(stored(database, TrackedProject), "project_id")) == [name(number) for number in (1, 2, 3, 9)]


def test_a_recording_that_meets_another_writer_is_done_again(database: Database, postgres_url: str) -> None:
    """At READ COMMITTED, PostgreSQL's default, it would wait and go on. Servers can be told to be stricter."""
    itself = database.engine.url.database
    do(postgres_url, f"ALTER DATABASE {itself} SET default_transaction_isolation = 'repeatable read'")
    track(database, 1, 2)
    faults = faults_of(database)
    strangers = "UPDATE tracked_projects SET check_count = 41"
    with beside() as start, Other(postgres_url) as other, api(lambda: other.does(strangers)) as server:
        ours = start(check_batch, database, server)
        other.blocks()
        other.commits()
        recorded = ours.result(PATIENCE)
    assert faults == [NO_ORDER]
    assert recorded is not None
    assert (recorded.changed, len(server.paths)) == (2, 2)
    assert of(stored(database, TrackedProject), "check_count") == [42, 42]
    assert_recorded_once(database, 2)


@pytest.mark.parametrize("when", [AT_THE_STATEMENT, AT_THE_COMMIT], ids=["statement", "commit"])
@pytest.mark.parametrize("code", [DEADLOCK, NO_ORDER])
def test_a_recording_is_tried_three_times(database: Database, postgres_url: str, when: str, code: str) -> None:
    """A trigger stands for the other transactions: nobody could be made to get in the way that often."""
    fail(postgres_url, 2, code, when)
    track(database, 1, 2)
    faults = faults_of(database)
    with api() as server:
        recorded = check_batch(database, server)
    assert faults == [code, code]
    assert recorded is not None
    assert (recorded.changed, len(server.paths)) == (2, 2)
    assert_recorded_once(database, 2)


def test_a_batch_whose_beginning_is_undone_is_begun_again(database: Database, postgres_url: str) -> None:
    track(database, 1, 2)
    (batch,) = claim(database)
    tables = Base.metadata.tables
    fail(postgres_url, 2, DEADLOCK, *(f"CREATE TRIGGER fail AFTER INSERT OR UPDATE ON {table}" for table in tables))
    with api() as server:
        check_claimed(database, server, batch.token)
    assert_recorded_once(database, 2)


@pytest.mark.parametrize("when", [AT_THE_STATEMENT, AT_THE_COMMIT], ids=["statement", "commit"])
def test_a_recording_that_is_undone_every_time_comes_due_again(
    database: Database, postgres_url: str, when: str
) -> None:
    fail(postgres_url, 3, NO_ORDER, when)
    track(database, 1, 2)
    with api() as server:
        with pytest.raises(StoreUnavailableError, match="as the test wants"):
            check_batch(database, server)
        assert_nothing_recorded(database, 2)
        pass_time(database, LEASE)
        check_batch(database, server)
    assert_recorded_once(database, 2)


def test_news_that_was_sent_is_not_sent_again_because_noting_it_was_undone(
    database: Database, postgres_url: str
) -> None:
    track(database, 1, 2)
    record(database, hold(database), seen("complete"))
    fail(postgres_url, 2, DEADLOCK, WHEN_SENT)
    sent: list[DueDelivery] = []
    count = len(stored(database, Delivery))
    assert deliver(database, SETTINGS, one_by_one(sent.append)) == Delivered(sent=count)
    pass_time(database, 2 * LEASE)
    assert deliver(database, SETTINGS, one_by_one(sent.append)) == Delivered()
    assert len(sent) == count


def test_a_connection_that_is_killed_in_the_middle_of_recording_leaves_nothing(
    database: Database, postgres_url: str
) -> None:
    track(database, 1, 2)
    lock = "LOCK TABLE events IN SHARE MODE"
    with beside() as start, Other(postgres_url) as other, api(lambda: other.does(lock)) as server:
        ours = start(check_batch, database, server)
        other.kills(*other.blocks())
        with pytest.raises(StoreUnavailableError, match="connection"):
            ours.result(PATIENCE)
        other.rolls_back()
        assert_nothing_recorded(database, 2)
        pass_time(database, LEASE)
        recorded = check_batch(database, server)
    assert recorded is not None
    assert (recorded.changed, recorded.lost) == (2, 0)
    assert_recorded_once(database, 2)


def test_connections_that_a_restarted_server_closed_cost_no_batch(database: Database, postgres_url: str) -> None:
    track(database, 1, 2)

    def restart() -> None:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        do(postgres_url, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {mine}")

    with api(restart) as server:
        recorded = check_batch(database, server)
    assert recorded is not None
    assert recorded.changed == 2
    assert_recorded_once(database, 2)


def test_a_full_disk_leaves_nothing_and_says_what_to_do(database: Database, postgres_url: str) -> None:
    """A trigger stands for the full disk of the server, which other tests use too."""
    fail(postgres_url, 1, DISK_FULL, AT_THE_STATEMENT)
    track(database, 1, 2)
    with api() as server:
        with pytest.raises(StoreUnavailableError, match=r"^as the test wants: free some disk space .* is safe"):
            check_batch(database, server)
        assert_nothing_recorded(database, 2)
        pass_time(database, LEASE)
        check_batch(database, server)
    assert_recorded_once(database, 2)
