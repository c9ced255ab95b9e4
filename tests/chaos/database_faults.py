"""Faults of the database: connections killed, the door shut, tables locked."""

import sqlite3
import time
from typing import Any, Final

import psycopg
from psycopg import sql

from tests.chaos.world import Inject, World
from tests.support.services import psycopg_url

_PATIENCE: Final = 1.0
_IN_TRANSACTION: Final = "xact_start IS NOT NULL AND state <> 'idle'"


def _name(world: World) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(world.database_url)["dbname"])


def _server(world: World) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(psycopg_url(world.database_url, "postgres"), autocommit=True)


def _terminate(world: World, which: str) -> int:
    """End the connections to the run's own database, and no others."""
    query = sql.SQL(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND application_name = 'renderwatch' AND {}"
    ).format(sql.SQL(which))
    with _server(world) as server:
        row = server.execute(query, [_name(world)]).fetchone()
    return int(row[0]) if row else 0


def kill_transaction(world: World) -> bool:
    """Kill connections in the middle of a transaction, as soon as one is seen."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if _terminate(world, _IN_TRANSACTION):
            return True
    return False


def kill_connections(world: World) -> bool:
    """Kill all connections."""
    return _terminate(world, "true") > 0


def shut(world: World) -> bool:
    """Let nobody in for some seconds, as while a server restarts."""
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    name = sql.Identifier(_name(world))

    def open_again() -> None:
        with _server(world) as server:
            server.execute(allow.format(name, sql.SQL("true")))

    with _server(world) as server:
        server.execute(allow.format(name, sql.SQL("false")))
    _terminate(world, "true")
    world.later(world.random.uniform(0.5, 4), open_again)
    return True


def lock(world: World) -> bool:
    """Hold the table that everybody needs for some seconds."""
    try:
        connection = psycopg.connect(world.database_url)
    except psycopg.OperationalError:
        return False  # the door is shut
    try:
        connection.execute("SET lock_timeout = 2000")
        connection.execute("LOCK TABLE tracked_projects IN ACCESS EXCLUSIVE MODE")
    except psycopg.Error:
        connection.close()
        return False
    world.later(world.random.uniform(0.5, 4), connection.close)
    return True


def lock_sqlite(world: World) -> bool:
    """Hold the write lock of an SQLite file for some seconds."""
    connection = sqlite3.connect(world.database_url.removeprefix("sqlite:///"), isolation_level=None, timeout=5)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        connection.close()
        return False
    world.later(world.random.uniform(0.5, 4), connection.close)
    return True


POSTGRES: Final[dict[str, Inject]] = {
    "connection killed in a transaction": kill_transaction,
    "all database connections killed": kill_connections,
    "database shut": shut,
    "database locked": lock,
}
SQLITE: Final[dict[str, Inject]] = {"database locked": lock_sqlite}
