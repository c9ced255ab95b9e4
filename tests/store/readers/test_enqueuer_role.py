"""An enqueuer sends projects in its own transactions, and can do nothing else with our data."""

import json
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from tests.store.checking import SETTINGS
from tests.store.readers.sessions import session_of
from tests.store.world import name, stored, track
from tests.support.services import own_name
from worker.domain.scheduling.durations import Durations
from worker.store.engine import Database
from worker.store.models import RejectedRequest, TrackedProject
from worker.store.models.dictionary import TABLES, VIEWS
from worker.store.readers.enqueuer_role import grant_enqueuer
from worker.store.readers.roles import RoleError
from worker.tracking.intake.sql_requests import MOST_ROWS, take_in

ROWS = 100_000


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    with database.write() as connection:
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))  # as from PostgreSQL 15 on
    track(database, 1)
    yield database
    database.close()


@pytest.fixture
def enqueuer(store: Database, postgres_url: str) -> Iterator[psycopg.Connection]:
    role = own_name()
    with store.write() as connection:
        assert grant_enqueuer(connection, role) == (True, "public")
    with session_of(role, postgres_url) as connection:
        yield connection


def call(enqueuer: psycopg.Connection, arguments: str, *values: object) -> int:
    row = enqueuer.execute(f"SELECT track_project({arguments})".encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def status(enqueuer: psycopg.Connection, id_: int) -> list[tuple[str, str | None]]:
    rows = enqueuer.execute("SELECT state, reason FROM track_request_status(%s)", (id_,)).fetchall()
    return [(state, reason) for state, reason in rows]


def test_what_commits_is_tracked_and_what_is_rolled_back_is_not(store: Database, enqueuer: psycopg.Connection) -> None:
    with enqueuer.transaction():
        kept = call(
            enqueuer,
            "'video', %s, credits_charged => %s, metadata => %s, notify => NULL, account => NULL",
            name(2),
            40,
            json.dumps({"order": {"id": 7, "gone": None}}),
        )
    with enqueuer.transaction(force_rollback=True):
        call(enqueuer, "'video', %s", name(3))
    assert status(enqueuer, kept) == [("waiting", None)]
    take_in(store, SETTINGS, Durations())
    assert status(enqueuer, kept) == []
    rows = {row["project_id"]: row for row in stored(store, TrackedProject)}
    assert rows.keys() == {name(1), name(2)}
    assert (rows[name(2)]["credits_charged"], rows[name(2)]["account"]) == (40, "default")
    assert rows[name(2)]["metadata"] == {"order": {"id": 7, "gone": None}}
    assert rows[name(2)]["tracked_by"] == enqueuer.execute("SELECT session_user").fetchone()[0]  # type: ignore[index]


def test_a_caller_sees_why_its_own_request_was_rejected_and_no_other(
    store: Database, enqueuer: psycopg.Connection
) -> None:
    mine = call(enqueuer, "'film', %s", name(2))
    with store.write() as connection:
        foreign = connection.scalar(text("SELECT track_project('film', 'project-000009')"))
    assert status(enqueuer, foreign) == []
    take_in(store, SETTINGS, Durations())
    assert status(enqueuer, mine) == [("rejected", "kind is 'film'; it must be video, image or audio")]
    assert status(enqueuer, foreign) == []
    assert len(stored(store, RejectedRequest)) == 2


def test_it_reads_and_writes_no_table_and_no_view(enqueuer: psycopg.Connection) -> None:
    refused = (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.WrongObjectType,
        psycopg.errors.ObjectNotInPrerequisiteState,  # a view that nobody can change
    )
    for of in (*TABLES, *VIEWS, "renderwatch_version"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            enqueuer.execute(f"SELECT 1 FROM {of}".encode())
        for statement in (f"DELETE FROM {of}", f"INSERT INTO {of} DEFAULT VALUES", f"TRUNCATE {of}"):
            with pytest.raises(refused):
                enqueuer.execute(statement.encode())
    for statement in ("SELECT nextval('track_requests_id_seq')", "CREATE TABLE mine (a integer)", "SET ROLE postgres"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            enqueuer.execute(statement.encode())


def test_it_calls_no_other_function_of_ours_and_nobody_else_calls_these(enqueuer: psycopg.Connection) -> None:
    ours = "FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype"
    may = enqueuer.execute(f"SELECT proname {ours} AND prosecdef AND has_function_privilege(oid, 'EXECUTE')".encode())
    # Two are of the views, and tell a date and a number. All others have the rights of their caller: none.
    of_views = {("renderwatch_unbooked_since",), ("renderwatch_unfilled_metadata",)}
    assert set(may.fetchall()) == of_views | {("track_project",), ("track_request_status",)}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        enqueuer.execute("SELECT * FROM projects_as_of(now())")
    public = "EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0)"
    anyone = enqueuer.execute(f"SELECT proname {ours} AND proname LIKE 'track%' AND {public}".encode())
    assert anyone.fetchall() == []


def test_it_cannot_make_the_functions_use_its_own_tables(store: Database, enqueuer: psycopg.Connection) -> None:
    enqueuer.execute("CREATE TEMP TABLE track_requests (id bigint DEFAULT 7, request text, sent_by text, sent_at text)")
    for function in ("jsonb_build_object(VARIADIC anyarray) RETURNS jsonb", "clock_timestamp() RETURNS timestamptz"):
        enqueuer.execute(f"CREATE FUNCTION pg_temp.{function} AS 'BEGIN RAISE ''mine''; END' LANGUAGE plpgsql".encode())
    enqueuer.execute("SET search_path = pg_temp, public")
    call(enqueuer, "'video', %s", name(2))
    assert enqueuer.execute("SELECT count(*) FROM pg_temp.track_requests").fetchone() == (0,)
    take_in(store, SETTINGS, Durations())
    assert {row["project_id"] for row in stored(store, TrackedProject)} == {name(1), name(2)}


def test_hostile_arguments_are_rejected_and_huge_ones_refused_at_once(
    store: Database, enqueuer: psycopg.Connection
) -> None:
    ids = [
        call(enqueuer, "%s, %s", "video", "x'); DROP TABLE events; --"),
        call(enqueuer, "NULL, NULL"),
        call(enqueuer, "'video', %s, metadata => %s", name(2), "[1]"),
        call(enqueuer, "'video', %s, metadata => %s", name(2), json.dumps({"a": "x" * 9000})),
        call(enqueuer, "'video', %s, credits_charged => %s", name(2), -1),
        call(enqueuer, "'video', %s, notify => %s", name(2), json.dumps({"*": ["celery:other.task"]})),
        call(enqueuer, "'video', %s, account => %s", name(2), "Ünknown"),
    ]
    with pytest.raises(psycopg.errors.CheckViolation, match="at_most_65536_characters"):
        call(enqueuer, "'video', %s", "x" * 70_000)
    take_in(store, SETTINGS, Durations())
    assert [status(enqueuer, id_)[0][0] for id_ in ids] == ["rejected"] * len(ids)
    assert len(stored(store, TrackedProject)) == 1


def test_a_hundred_thousand_in_one_transaction(store: Database, enqueuer: psycopg.Connection) -> None:
    enqueuer.execute(
        "SELECT count(track_project('image', 'bulk-' || lpad(n::text, 8, '0'))) FROM generate_series(1, %s) n", (ROWS,)
    )
    taken = take_in(store, SETTINGS, Durations())
    assert taken is not None
    assert taken.new >= MOST_ROWS
    with store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM track_requests")) == ROWS - taken.new


def test_a_role_of_a_service_keeps_its_rights_and_one_that_sees_our_tables_is_refused(store: Database) -> None:
    role = own_name()
    with store.write() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        assert grant_enqueuer(connection, role) == (False, "public")
        connection.execute(text(f"GRANT SELECT ON events TO {role}"))
        with pytest.raises(RoleError, match=r"access tables too \(events\)"):
            grant_enqueuer(connection, role)
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))


def test_sqlite_has_no_roles(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(RoleError, match="insert into track_requests"), database.write() as connection:
        grant_enqueuer(connection, "orders")
    database.close()
