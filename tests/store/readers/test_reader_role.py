"""A reader sees the views, and nothing else."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from tests.store.readers.sessions import session_of
from tests.store.world import CREATED, answer, name, seen, track
from tests.support.services import own_name
from worker.domain.projects.observation import Download
from worker.store.engine import Database
from worker.store.models.dictionary import TABLES, VIEWS
from worker.store.readers.reader_role import grant_reader, renew_readers
from worker.store.readers.roles import RoleError

SECRET = "X-Signature=s3cr3t"  # noqa: S105  the tests' own
LINK = f"https://files.example.com/renders/1.mp4?{SECRET}#part"


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    with database.write() as connection:
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))  # as from PostgreSQL 15 on
    track(database, 1)
    answer(database, seen("rendering"), seen("complete", 300, downloads=(Download(LINK, CREATED.isoformat()),)))
    yield database
    database.close()


@pytest.fixture
def reader(store: Database, postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection with a reader's rights that tries all it can: it turns off what only protects from mistakes."""
    role = own_name()
    with store.write() as connection:
        assert grant_reader(connection, role)
    with session_of(role, postgres_url) as connection:
        connection.execute("SET default_transaction_read_only = off")
        yield connection


def rows(reader: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    return reader.execute(query.encode()).fetchall()


def test_a_reader_reads_every_view(reader: psycopg.Connection) -> None:
    for view in VIEWS:
        rows(reader, f"SELECT * FROM {view}")
    assert rows(reader, "SELECT project_id, credits_charged FROM projects") == [(name(1), 300)]


@pytest.mark.parametrize("table", [*TABLES, "renderwatch_version"])
def test_a_reader_reads_no_table(reader: psycopg.Connection, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(reader, f"SELECT 1 FROM {table}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM projects",
        "UPDATE projects SET name = 'mine'",
        "UPDATE account_status SET pause_reason = 'mine'",
        "INSERT INTO tracked_projects (kind) VALUES ('video')",
        "TRUNCATE credit_adjustments",
        "CREATE TABLE mine (a integer)",
        "ALTER TABLE tracked_projects DISABLE TRIGGER ALL",
        "SET ROLE postgres",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_a_reader_writes_nothing(reader: psycopg.Connection, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
        reader.execute(statement.encode())


def test_no_view_shows_what_signs_a_link(reader: psycopg.Connection) -> None:
    assert rows(reader, "SELECT location, position FROM project_downloads") == [(LINK.partition("?")[0], 1)]
    assert urlsplit(LINK).query == SECRET
    for view in VIEWS:
        assert SECRET not in str(rows(reader, f"SELECT CAST(v AS text) FROM {view} v"))


def test_no_view_shows_it_on_any_database(database: Database) -> None:
    track(database, 1)
    answer(database, seen("complete", 300, downloads=(Download(LINK, "later"), Download("https://u:p@h/x?y", "later"))))
    for view in VIEWS:
        with database.read() as connection:
            found = str(connection.execute(text(f"SELECT * FROM {view}")).all())
        assert SECRET not in found
        assert "u:p" not in found


def test_granting_again_changes_nothing_and_later_views_follow(store: Database, reader: psycopg.Connection) -> None:
    role = str(rows(reader, "SELECT session_user")[0][0])
    with store.write() as connection:
        assert not grant_reader(connection, role)
        connection.execute(text(f"REVOKE SELECT ON failures FROM {role}"))
        renew_readers(connection)
    rows(reader, "SELECT * FROM failures")


@pytest.mark.parametrize("role", ["", "Analyst", "a b", "pg_reader", "1a", 'a"; DROP TABLE events', "a" * 64])
def test_names_that_no_reader_has(store: Database, role: str) -> None:
    with pytest.raises(RoleError, match="lower-case letters"), store.write() as connection:
        grant_reader(connection, role)


def test_a_role_that_is_there_for_something_else_is_left_alone(store: Database) -> None:
    with pytest.raises(RoleError, match="for another purpose"), store.write() as connection:
        grant_reader(connection, "postgres")


def test_a_reader_who_could_do_more_is_not_made(store: Database) -> None:
    role = own_name()
    with store.write() as connection:
        connection.execute(text("GRANT SELECT ON events TO PUBLIC"))
    with pytest.raises(RoleError, match=r"access tables too \(events\)"), store.write() as connection:
        grant_reader(connection, role)
    with store.write() as connection:
        connection.execute(text("GRANT CREATE ON SCHEMA public TO PUBLIC"))
        connection.execute(text("REVOKE SELECT ON events FROM PUBLIC"))
    with pytest.raises(RoleError, match="could create tables"), store.write() as connection:
        grant_reader(connection, role)
    with store.read() as connection:
        assert not connection.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": role})


def test_sqlite_has_no_roles(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(RoleError, match="mode=ro"), database.write() as connection:
        grant_reader(connection, "analyst")
    database.close()
