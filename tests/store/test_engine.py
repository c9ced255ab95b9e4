"""Connections: times, forks, readers and writers, and the errors when the database misbehaves."""

import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from tests.store.world import track
from worker.store.engine import Database, DatabaseError, StoreUnavailableError, clock, make_engine
from worker.store.models import Account, Heartbeat
from worker.store.schema import migrate

EAST = timezone(timedelta(hours=5, minutes=45))
TIMES = [
    datetime(2026, 9, 25, 12, 30, 15, 123456, tzinfo=UTC),
    datetime(2026, 9, 25, 12, 30, 15, tzinfo=EAST),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, tzinfo=UTC),
]


def keep(database: Database, moment: datetime) -> None:
    with database.write() as connection:
        connection.execute(insert(Heartbeat).values(name="a", beat_at=moment))


@pytest.mark.parametrize("moment", TIMES)
def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database, moment: datetime) -> None:
    keep(database, moment)
    with database.read() as connection:
        found = connection.scalar(select(Heartbeat.beat_at))
    assert found
    assert (found, found.tzinfo) == (moment, UTC)


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a time zone"):
        keep(database, datetime(2026, 9, 25))  # noqa: DTZ001  the very thing that is refused


def test_times_sort_as_they_came(database: Database) -> None:
    moments = [datetime(2026, 9, 25, 12, tzinfo=UTC) + timedelta(microseconds=each) for each in (0, 1, 999_999, 10**6)]
    with database.write() as connection:
        connection.execute(insert(Heartbeat), [{"name": str(m), "beat_at": m} for m in reversed(moments)])
        found = connection.scalars(select(Heartbeat.beat_at).order_by(Heartbeat.beat_at)).all()
    assert found == moments


def test_the_clock_is_aware_goes_on_inside_a_transaction_and_is_right(database: Database) -> None:
    with database.write() as connection:
        times = [datetime.now(UTC), clock(connection), clock(connection)]
        while clock(connection) == times[-1]:  # it ticks, though the transaction began long ago
            pass
    assert times[1].utcoffset() == timedelta(0)
    assert times[1] <= times[2]
    assert abs(times[1] - times[0]) < timedelta(seconds=60)


def test_a_writer_commits_at_the_end_and_not_before_an_error(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(insert(Heartbeat).values(name="a", beat_at=clock(connection)))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with database.read() as connection:
        assert connection.scalars(select(Heartbeat.name)).all() == []


def test_readers_wait_for_no_writer_and_see_one_moment(database: Database) -> None:
    track(database, 1)
    with database.write() as writer, database.read() as reader:
        writer.execute(update(Account).values(tokens=7.0))
        assert reader.scalar(select(Account.tokens)) == 0
        writer.commit()
        assert reader.scalar(select(Account.tokens)) == 0
    with database.read() as reader:
        assert reader.scalar(select(Account.tokens)) == 7


def test_writers_wait_for_no_reader(database: Database) -> None:
    with database.read() as reader:
        reader.scalar(select(Account.tokens))
        track(database, 1)


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailableError, match=r"read-?only"), database.read() as reader:
        reader.execute(insert(Heartbeat).values(name="a", beat_at=TIMES[0]))


def test_a_connection_that_only_read_can_write_again(database: Database) -> None:
    for _ in range(3):
        with database.read() as reader:
            reader.scalar(select(Account.tokens))
        track(database, 1)


def test_foreign_keys_hold_and_files_are_in_wal_mode(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    database.close()


def test_sessions_on_postgresql_are_in_utc_and_bounded(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.read() as connection:
        assert connection.scalar(text("SHOW timezone")) == "UTC"
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert connection.scalar(text(f"SHOW {name}")) != "0"
    database.close()


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether it is true in a forked process, which ends without tidying up."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_process_makes_an_engine_of_its_own(database: Database) -> None:
    track(database, 1)
    inherited = database.engine

    def works_with_another() -> bool:
        track(database, 2)
        return database.engine is not inherited and database.engine is database.engine

    assert in_a_child(works_with_another)
    assert database.engine is inherited
    track(database, 3)
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tracked_projects")) == 3


def test_a_child_that_closes_leaves_the_connections_of_its_parent_alone(database: Database) -> None:
    with database.read() as connection:
        connection.scalar(select(Account.tokens))

        def closes() -> bool:
            database.close()
            return True

        assert in_a_child(closes)
        assert connection.scalar(select(Account.tokens)) is None


def test_a_closed_database_can_be_used_again(database: Database) -> None:
    track(database, 1)
    database.close()
    assert track(database, 1).known == 1


UNREACHABLE = [
    "postgresql://somebody:s3cret@127.0.0.1:1/renderwatch",
    "postgresql://somebody:s3cret@no-such-host.invalid/renderwatch",
    "sqlite:////dev/null/x.db",
    "sqlite:////proc/renderwatch.db",
]


@pytest.mark.parametrize("url", UNREACHABLE)
def test_a_database_that_cannot_be_reached_is_named_in_one_line_without_its_password(url: str) -> None:
    database = Database(url)
    for use in (database.write, database.read):
        with pytest.raises((StoreUnavailableError, DatabaseError)) as caught, use() as connection:
            clock(connection)
        said = str(caught.value)
        assert said
        assert "\n" not in said
        assert "s3cret" not in said
    database.close()


def test_a_missing_table_is_a_bug_and_shows_no_values(postgres: str, tmp_path: Path) -> None:
    """Who starts is told to migrate. Later it is nothing that waiting helps with: not unavailability."""
    for url in (postgres, f"sqlite:///{tmp_path}/empty.db"):
        database = Database(url)
        with pytest.raises(DBAPIError, match="accounts") as caught, database.read() as connection:
            connection.execute(select(Account).where(Account.name == "s3cret")).all()
        assert "s3cret" not in str(caught.value)
        database.close()


@pytest.mark.parametrize("folder", ["", "made/by us/50 % büro"])
def test_an_sqlite_file_is_for_its_owner_alone_wherever_it_lies(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "renderwatch.db"
    before = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{path}")
        migrate(database)
        with database.write() as connection:
            connection.execute(insert(Heartbeat).values(name="a", beat_at=TIMES[0]))
            assert {each.name: each.stat().st_mode & 0o777 for each in path.parent.glob("renderwatch.db*")} == {
                "renderwatch.db": 0o600,
                "renderwatch.db-wal": 0o600,
                "renderwatch.db-shm": 0o600,
            }
    finally:
        os.umask(before)
        database.close()


def test_an_sqlite_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / ("x" * 300), "File name too long")):
        with pytest.raises(DatabaseError, match=f"the SQLite file {path} cannot be opened: {said}"):
            make_engine(f"sqlite:///{path}")
    with pytest.raises(DatabaseError, match=r"the folder .*/file of the SQLite file cannot be created"):
        make_engine(f"sqlite:///{tmp_path}/file/renderwatch.db")


def test_what_sqlite_accepted_survives_a_loss_of_power(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.read() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseError, match="in-memory"):
        make_engine(url)


def test_a_file_that_is_no_database_is_unavailability(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are notes, and far from being a database " * 100)
    database = Database(f"sqlite:///{tmp_path}/notes.db")
    with pytest.raises(StoreUnavailableError, match="not a database"), database.write():
        pass
    database.close()


def test_errors_do_not_show_what_was_to_be_stored(database: Database) -> None:
    values: dict[str, Any] = {"name": "s3cret", "tokens": 0.0, "refilled_at": TIMES[0], "rate_factor": 7}
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(Account), [values, values])
    assert "s3cret" not in str(caught.value).partition("DETAIL")[0]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url", "not a database URL"),
        ("", "not a database URL"),
        ("postgresql://host:s3cret/renderwatch", "not a database URL"),
        ("mysql://somebody:s3cret@host/renderwatch", "mysql is not supported"),
        ("mysql+pymysql://somebody:s3cret@host/renderwatch", "mysql is not supported"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said) as caught:
        make_engine(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_is_reached_with_the_driver_that_is_there(scheme: str) -> None:
    assert make_engine(f"{scheme}://host/renderwatch").driver == "psycopg"


def test_the_password_shows_in_no_repr() -> None:
    assert "s3cret" not in repr(make_engine("postgresql://somebody:s3cret@host/renderwatch"))
    assert "s3cret" not in repr(Database("postgresql://somebody:s3cret@host/renderwatch"))


def test_writers_on_sqlite_take_turns_instead_of_failing(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as connection:
        connection.execute(insert(Heartbeat).values(name="count", beat_at=TIMES[0]))

    def count() -> None:
        for _ in range(25):
            with database.write() as connection:
                before = connection.scalar(select(Heartbeat.beat_at))
                assert before
                connection.execute(update(Heartbeat).values(beat_at=before + timedelta(seconds=1)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.scalar(select(Heartbeat.beat_at)) == TIMES[0] + timedelta(seconds=100)
    database.close()


def test_a_database_that_stays_locked_is_unavailability(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.sqlite.LOCK_TIMEOUT", 0.1)
    database = Database(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"), database.write():
        pass
    other.close()
    database.close()
