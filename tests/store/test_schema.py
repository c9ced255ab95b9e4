"""Whose tables these are, whether this version can work with them, and how they are changed beside the work."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, answer, project, seen, track
from tests.support.services import own_name, postgres_database
from worker.settings import load_settings
from worker.store import schema
from worker.store.engine import Database, StoreUnavailableError
from worker.store.readers.reader_role import grant_reader
from worker.store.schema import SchemaError, check, migrate, newest, revision

BEFORE_OURS = "0014"  # the last step that an alembic_version of ours was at


def do(database: Database, *statements: str) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def refusal(database: Database) -> str:
    with pytest.raises(SchemaError) as raised, database.read() as connection:
        check(connection)
    return str(raised.value)


@pytest.fixture
def empty_url(postgres: str) -> Iterator[str]:
    with postgres_database(postgres) as url:
        yield url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


# --- versions -------------------------------------------------------------------------------------------------------


def test_a_database_without_tables_and_an_older_one_are_refused(database: Database) -> None:
    schema.downgrade(database, "0011")
    assert (
        refusal(database)
        == f"the tables are at revision 0011, and this version needs {newest()}; run: renderwatch migrate"
    )
    schema.downgrade(database, "base")
    assert refusal(database) == "the database has no Renderwatch tables; run: renderwatch migrate"
    assert migrate(database) == newest()


def test_newer_tables_are_worked_with_and_left_alone(database: Database) -> None:
    do(database, "UPDATE renderwatch_version SET version_num = '9999', works_from = '0011'")
    with database.read() as connection:
        check(connection)
    assert migrate(database) == "9999"


def test_newer_tables_that_lack_what_we_need_are_refused(database: Database) -> None:
    do(database, "UPDATE renderwatch_version SET version_num = '9999', works_from = '9998'")
    assert "newer than this version can work with (it is at 9999" in refusal(database)
    with pytest.raises(SchemaError, match="newer than this version"):
        migrate(database)


def test_a_version_table_that_was_ours_is_taken_over_and_left_for_those_who_know_it(database: Database) -> None:
    schema.downgrade(database, BEFORE_OURS)
    former = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"
    insert = f"INSERT INTO alembic_version VALUES ('{BEFORE_OURS}')"
    do(database, "DROP VIEW tracker_health", "DROP TABLE renderwatch_version", former, insert)
    if database.engine.dialect.name == "sqlite":
        do(database, "CREATE VIEW tracker_health AS SELECT 1 AS one")
    assert BEFORE_OURS in refusal(database)
    migrate(database)
    with database.read() as connection:
        assert revision(connection) == newest()
        assert connection.scalar(text("SELECT schema_revision FROM tracker_health")) == newest()
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == BEFORE_OURS


@pytest.mark.parametrize("theirs", ["3f2c1ab09d11", "0003"])
def test_another_programs_version_table_is_left_alone(empty: Database, theirs: str) -> None:
    do(
        empty,
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        f"INSERT INTO alembic_version VALUES ('{theirs}')",
    )
    assert "has no Renderwatch tables" in refusal(empty)
    migrate(empty)
    with empty.read() as connection:
        check(connection)
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == theirs


# --- whose schema ---------------------------------------------------------------------------------------------------


def test_another_programs_tables_are_refused_and_a_schema_of_our_own_is_made(empty: Database, empty_url: str) -> None:
    do(empty, "CREATE TABLE accounts (id int)", "CREATE TABLE events (id int)")
    with pytest.raises(SchemaError, match=r"\(accounts, events\); .* RENDERWATCH_DATABASE_SCHEMA=renderwatch"):
        migrate(empty)
    environ = {"DATABASE_URL": empty_url, "RENDERWATCH_DATABASE_SCHEMA": "rw"}
    ours = Database(load_settings(environ, Path("/nowhere")).database)
    assert migrate(ours) == newest()
    track(ours, 1)
    answer(ours, seen("queued"), seen("rendering"), seen("complete", 300))
    assert project(ours)["status"] == "complete"
    assert_sound(ours, ROUTES)
    with psycopg.connect(empty_url) as connection:
        public = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        assert public == [("accounts",), ("events",)]
        # History is guarded, and functions work, for those too who have another search path.
        with pytest.raises(psycopg.errors.RaiseException, match="never updated or deleted"), connection.transaction():
            connection.execute("DELETE FROM rw.credit_adjustments")
        assert connection.execute("SELECT status FROM rw.projects_as_of(now())").fetchone() == ("complete",)
    reader = own_name()
    with ours.write() as writer:
        grant_reader(writer, reader)
    try:
        with psycopg.connect(empty_url, user=reader) as connection:
            assert connection.execute("SELECT status FROM projects").fetchone() == ("complete",)
            assert connection.execute("SELECT status FROM projects_as_of(now())").fetchone() == ("complete",)
    finally:
        with ours.write() as writer:
            writer.execute(text(f"DROP OWNED BY {reader}"))
            writer.execute(text(f"DROP ROLE {reader}"))
        ours.close()


@pytest.fixture
def poor(empty_url: str) -> Iterator[tuple[str, Database]]:
    """A user of a database who may do nothing in it, as PostgreSQL 15 and later have it."""
    user = own_name()
    with psycopg.connect(empty_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
        database = Database(empty_url.replace("postgres@", f"{user}@", 1))
        yield user, database
        database.close()
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(user)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def test_a_missing_right_is_named_as_the_statement_that_gives_it(poor: tuple[str, Database], empty: Database) -> None:
    user, database = poor
    with pytest.raises(SchemaError, match=f"run: GRANT CREATE ON SCHEMA public TO {user};$") as raised:
        migrate(database)
    do(empty, str(raised.value).rpartition("run: ")[2])
    assert migrate(database) == newest()


@pytest.mark.parametrize("exists", [True, False])
def test_a_missing_right_on_a_schema_of_ones_own_is_named_too(
    poor: tuple[str, Database], empty: Database, *, exists: bool
) -> None:
    _, database = poor
    if exists:
        do(empty, "CREATE SCHEMA rw")
    ours = Database(database.engine.url.update_query_dict({"options": "-csearch_path=rw"}).render_as_string(False))  # noqa: FBT003  SQLAlchemy's
    with pytest.raises(SchemaError, match="run: ") as raised:
        migrate(ours)
    do(empty, str(raised.value).rpartition("run: ")[2].partition(" -- ")[0])
    assert migrate(ours) == newest()
    ours.close()


# --- beside the work ------------------------------------------------------------------------------------------------


def test_a_table_that_is_held_is_waited_for_briefly_then_all_is_undone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_TRIES", 1)
    database = Database(postgres_url)
    schema.downgrade(database, "0012")
    with psycopg.connect(postgres_url) as holder:
        holder.execute("SELECT count(*) FROM tracked_projects")
        with pytest.raises(StoreUnavailableError, match="has locked a table that must change, so nothing was changed"):
            migrate(database)
        with database.read() as connection:
            assert revision(connection) == "0012"
        holder.rollback()
        assert migrate(database) == newest()
    database.close()


def test_a_second_deployment_waits_for_its_turn_longer_than_the_application_would(empty_url: str) -> None:
    database = Database(f"{empty_url}?options=-cstatement_timeout%3D500%20-clock_timeout%3D500")
    first = psycopg.connect(empty_url, autocommit=True)
    first.execute("SELECT pg_advisory_lock(7310201946)")
    threading.Timer(2, first.close).start()
    assert migrate(database) == newest()
    assert first.closed
    database.close()
