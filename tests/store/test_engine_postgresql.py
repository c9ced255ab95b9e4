"""PostgreSQL as others run it: behind PgBouncer, failed over, read-only, in another zone, in another encoding."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, answer, name, project, seen, track
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres_cluster import MovableAddress, primary_and_standby
from tests.support.services import own_name, psycopg_url
from worker.store.engine import Database, DatabaseError, StoreUnavailableError, clock
from worker.store.models import Account, Heartbeat
from worker.store.schema import migrate

LIMITS = {
    "statement_timeout": "1min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "1min",
    "jit": "off",
    "TimeZone": "UTC",
}


def do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def in_force(database: Database) -> dict[str, str]:
    with database.read() as connection:
        reading = {each: connection.scalar(text(f"SHOW {each}")) for each in LIMITS}
    with database.write() as connection:
        assert {each: connection.scalar(text(f"SHOW {each}")) for each in LIMITS} == reading
    return reading


def beat(database: Database, key: str) -> None:
    with database.write() as connection:
        connection.execute(insert(Heartbeat).values(name=key, beat_at=clock(connection)))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


# --- PgBouncer ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    """The way to a database through a PgBouncer with one server connection, which all clients share."""
    with pgbouncer(postgres_url, pool_size=1) as url:
        yield url


def test_a_project_is_followed_to_its_end_through_a_pooler(pooled_url: str) -> None:
    database = Database(pooled_url)
    track(database, 1)
    answer(database, seen("queued"), seen("rendering"), seen("complete", 300))
    assert project(database)["status"] == "complete"
    assert_sound(database, ROUTES)
    database.close()


def test_limits_and_utc_hold_behind_a_pooler_and_stay_out_of_others_sessions(pooled_url: str) -> None:
    database = Database(pooled_url)
    assert in_force(database) == LIMITS
    with psycopg.connect(pooled_url, autocommit=True) as other:
        assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert other.execute("SHOW jit").fetchone() == ("on",)
    database.close()


def test_prepared_statements_do_not_collide_behind_a_pooler(pooled_url: str) -> None:
    one, two = Database(pooled_url), Database(pooled_url)
    for _ in range(8):  # the driver would prepare at the sixth time; it forgets at a rollback, so nobody only reads
        for database in (one, two):
            with database.write() as connection:
                connection.execute(select(Account).where(Account.name == name(1))).all()
                connection.execute(select(Heartbeat).where(Heartbeat.name == name(1))).all()
    one.close()
    two.close()


def test_a_search_path_in_the_url_holds_behind_a_pooler(pooled_url: str, postgres_url: str) -> None:
    do(postgres_url, "CREATE SCHEMA rw")
    database = Database(f"{pooled_url}?options=-csearch_path%3Drw")
    migrate(database)
    track(database, 1)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM rw.tracked_projects").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM public.tracked_projects").fetchone() == (0,)
    database.close()


# --- options in the URL ---------------------------------------------------------------------------------------------


def test_options_in_the_url_are_kept_and_ours_added(postgres_url: str) -> None:
    do(postgres_url, "CREATE SCHEMA rw")
    database = Database(
        f"{postgres_url}?options=-c%20search_path%3Drw,public%20--statement-timeout%3D7s%20-cgeqo%3Doff"
    )
    assert in_force(database) == LIMITS | {"statement_timeout": "7s"}
    with database.read() as connection:
        assert connection.scalar(text("SHOW search_path")) == "rw,public"
        assert connection.scalar(text("SHOW geqo")) == "off"
    database.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("options=-csearchpath%3Drw", 'options: unrecognized configuration parameter "searchpath"'),
        ("options=-cstatement_timeout%3Dlong", "options: invalid value for parameter"),
        ("options=-E", "options may contain only settings"),
        ("schema=rw", 'invalid connection option "schema"'),
        ("ssl=true", 'invalid connection option "ssl"; write sslmode=require'),
        ("pgbouncer=true", "remove it, poolers are detected"),
        ("sslmode=verify", "sslmode must be one of disable, allow, prefer, require"),
        ("target_session_attrs=master", "target_session_attrs must be one of any, read-write"),
        ("connect_timeout=soon", "bad value for connect_timeout: 'soon'"),
    ],
)
def test_parameters_that_nobody_knows_are_refused(postgres_url: str, query: str, said: str) -> None:
    database = Database(f"{postgres_url}?{query}")
    with pytest.raises(DatabaseError, match=said), database.read() as connection:
        clock(connection)
    database.close()


def test_what_the_url_says_of_the_connection_wins(postgres_url: str) -> None:
    database = Database(f"{postgres_url}?application_name=ours&connect_timeout=7")
    with database.read() as connection:
        assert connection.scalar(text("SHOW application_name")) == "ours"
    database.close()


# --- read-only and failed over --------------------------------------------------------------------------------------


def test_a_read_only_default_is_respected_and_work_resumes_when_it_is_gone(database: Database, postgres: str) -> None:
    itself = database.engine.url.database
    track(database, 1)
    do(postgres, f"ALTER DATABASE {itself} SET default_transaction_read_only = on")
    database.close()
    for key in ("first", "second"):  # a connection that has read is no exception
        with database.read() as connection:
            assert connection.scalar(select(Account.name))
        with pytest.raises(
            StoreUnavailableError,
            match=r"read-only transaction: the database accepts no writes .* resumes automatically",
        ):
            beat(database, key)
    do(postgres, f"ALTER DATABASE {itself} RESET default_transaction_read_only")
    beat(database, "third")


def test_after_a_failover_connections_to_the_old_primary_are_dropped() -> None:
    """Open connections stay where they were made; only new ones go where the address leads now."""
    with primary_and_standby() as (primary, standby):
        address = MovableAddress(standby.port)
        database = Database(f"postgresql://postgres@127.0.0.1:{address.port}/postgres")
        straight = Database(primary.url)
        try:
            migrate(straight)
            with pytest.raises(StoreUnavailableError, match="accepts no writes"):
                beat(database, "to a standby")
            address.target = primary.port
            beat(database, "to the primary")
            with database.read(), database.read():
                pass  # two connections that are open when the server changes its role
            primary.set_read_only(read_only=True)
            standby.promote()
            with pytest.raises(StoreUnavailableError, match="accepts no writes"):
                beat(database, "to what was the primary")
            address.target = standby.port
            beat(database, "to the new primary")
            with database.read() as connection:
                assert connection.scalar(text("SELECT inet_server_port()")) == standby.port
        finally:
            database.close()
            straight.close()
            address.close()


def test_of_several_hosts_the_one_that_accepts_writes_is_used() -> None:
    with primary_and_standby() as (primary, standby):
        hosts = f"host=127.0.0.1:{standby.port}&host=127.0.0.1:{primary.port}&target_session_attrs=read-write"
        database = Database(f"postgresql://postgres@/postgres?{hosts}")
        migrate(database)
        beat(database, "before")
        primary.stop()
        standby.promote()
        beat(database, "after")
        database.close()


# --- what a database may be like ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_in_one_line(postgres: str, encoding: str) -> None:
    itself = own_name()
    make = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'")
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(make.format(sql.Identifier(itself), sql.Literal(encoding)))
        try:
            database = Database(psycopg_url(postgres, itself))
            with pytest.raises(
                DatabaseError, match=f"has the encoding {encoding}, .* create one with UTF8: CREATE DATABASE"
            ) as caught:
                migrate(database)
            assert "\n" not in str(caught.value)
            database.close()
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(itself)))


def test_a_server_in_another_zone_changes_nothing(database: Database, postgres_url: str) -> None:
    do(postgres_url, f"ALTER DATABASE {database.engine.url.database} SET timezone = 'Asia/Kathmandu'")
    track(database, 1)
    assert in_force(database) == LIMITS
    assert_sound(database, ROUTES)


def test_a_right_that_is_missing_is_unavailability_and_a_wrong_statement_is_a_bug(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE theirs (id int)"))
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$"
            )
        )
    with pytest.raises(StoreUnavailableError), database.read() as connection:
        connection.execute(text("SELECT refuse()"))
    for wrong in ("SELECT nothing FROM theirs", "SELEC 1", "SELECT * FROM nowhere", "SELECT missing_function()"):
        with pytest.raises(DBAPIError), database.read() as connection:
            connection.execute(text(wrong))
