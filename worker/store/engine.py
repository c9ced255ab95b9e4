"""Connections to the database, the same on SQLite and PostgreSQL as far as callers can tell."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Longer than any transaction of ours; beyond it something is wrong and waiting does not help.
_LOCK_TIMEOUT: Final = 30
_CONNECT_TIMEOUT: Final = 5
_STATEMENT_TIMEOUT: Final = 60
_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_READ_ONLY: Final = "renderwatch_read_only"
# PostgreSQL's names (SQLSTATE) for a serialization failure and for a deadlock: all of the transaction is undone.
_UNDONE: Final = ("40001", "40P01")
_TRIES: Final = 3
# Whoever else was undone shall not come back at the very same moment.
_LONGEST_PAUSE: Final = 0.1
_FULL: Final = ("53100", "SQLITE_FULL")
_MAKE_ROOM: Final = "free some space where the database is; nothing that was stored is lost, and work goes on by itself"

_T = TypeVar("_T")


class DatabaseError(ValueError):
    """A database URL that cannot be used."""


class StoreUnavailableError(Exception):
    """The database cannot be reached, is too busy, or lacks its tables. Trying again later can help."""


class TransactionUndoneError(StoreUnavailableError):
    """The database undid the whole transaction, because it got in the way of another. Trying again now can help."""


def make_engine(url: str) -> Engine:
    """Return an engine for an SQLite or PostgreSQL URL; nothing is connected yet. Raises DatabaseError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise DatabaseError("DATABASE_URL is no database URL; write sqlite:///path or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise DatabaseError(f"DATABASE_URL: {backend} is not supported; use SQLite or PostgreSQL")
    # Whatever driver the URL names, there is one that we bring along.
    parsed = parsed.set(drivername=_DRIVERS[backend])
    return _sqlite(parsed) if backend == "sqlite" else _postgresql(parsed)


def _sqlite(url: Any) -> Engine:  # noqa: ANN401  sqlalchemy.URL
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DatabaseError(f"the folder {folder} of the SQLite file cannot be made: {error.strerror}") from None
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _LOCK_TIMEOUT})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401  a DBAPI connection
        # The driver's own transaction handling begins too late to lock; we send BEGIN ourselves, below.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Taking the write lock at the start makes writers wait in line, instead of failing half-way.
        reading = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: Any) -> Engine:  # noqa: ANN401  sqlalchemy.URL
    limits = {
        "statement_timeout": _STATEMENT_TIMEOUT * 1000,
        "lock_timeout": _LOCK_TIMEOUT * 1000,
        "idle_in_transaction_session_timeout": _STATEMENT_TIMEOUT * 1000,
    }
    options = " ".join(f"-c {name}={value}" for name, value in {**limits, "timezone": "UTC", "jit": "off"}.items())
    return create_engine(
        url,
        hide_parameters=True,  # they hold signed links, and errors end up in logs
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_TIMEOUT,
            "application_name": "renderwatch",
            "keepalives_idle": 30,
            "options": options,
        },
    )


def clock(connection: Connection) -> datetime:
    """Return the database's time, now and not at the start of the transaction."""
    if connection.dialect.name == "sqlite":
        moment = connection.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"))
        return datetime.fromisoformat(str(moment)).replace(tzinfo=UTC)
    moment = connection.scalar(text("SELECT clock_timestamp()"))
    if not isinstance(moment, datetime):
        raise TypeError("the database has no clock")
    return moment.astimezone(UTC)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError):
        raise  # the database plays along; what it was given is wrong, and will be the next time
    except (DBAPIError, PoolTimeoutError) as error:
        # The driver's own first line says what is wrong; the statement and its parameters do not belong into logs.
        cause = getattr(error, "orig", None) or error
        said = str(cause).strip().partition("\n")[0]
        code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
        if code in _UNDONE:
            raise TransactionUndoneError(said) from error
        raise StoreUnavailableError(f"{said}: {_MAKE_ROOM}" if code in _FULL else said) from error


class Database:
    """An engine for each process that uses it: connections must not cross a fork."""

    def __init__(self, url: str) -> None:
        """Remember the URL; nothing is connected yet."""
        self._url = url
        self._engine: Engine | None = None
        self._process = 0

    @property
    def engine(self) -> Engine:
        """The engine of this process. One inherited from a parent is left alone: its connections are the parent's."""
        if self._engine is None or self._process != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = make_engine(self._url)
            self._process = os.getpid()
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back on an error.

        Raises StoreUnavailableError when the database does not play along.
        """
        with _translated(), self.engine.begin() as connection:
            yield connection

    def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Do ``work`` in one transaction that writes, and return what it returns, once that is committed.

        When the database undoes it because of a deadlock or a serialization failure, it is done anew, a few times. So
        ``work`` must change nothing but the database. This is for what somebody would miss; what comes again by itself
        in a moment, or what a person asks for, can do with write().
        """
        for _ in range(_TRIES - 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except TransactionUndoneError:
                time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311  spreads load
        with self.write() as connection:
            return work(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads, with one view of the data, and never waits for writers."""
        level = "REPEATABLE READ" if self.engine.dialect.name == "postgresql" else None
        with _translated(), self.engine.connect() as connection:
            options: dict[str, Any] = {_READ_ONLY: True}
            if level:
                options |= {"isolation_level": level, "postgresql_readonly": True}
            yield connection.execution_options(**options)

    def close(self) -> None:
        """Close this process's connections."""
        if self._engine is not None and self._process == os.getpid():
            self._engine.dispose()
        self._engine = None
