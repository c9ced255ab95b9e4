"""Connections to the database, with the same behaviour on SQLite and PostgreSQL."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import ArgumentError

from worker.store.errors import (
    DatabaseError,
    LockTimeoutError,
    StoreUnavailableError,
    TransactionUndoneError,
    translated,
)
from worker.store.postgresql import postgresql_engine
from worker.store.sqlite import READS_ONLY, sqlite_engine

__all__ = [
    "Database",
    "DatabaseError",
    "LockTimeoutError",
    "StoreUnavailableError",
    "TransactionUndoneError",
    "clock",
    "make_engine",
]

_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_TRIES: Final = 3
# Random, so that transactions that collided do not retry at the same moment.
_LONGEST_PAUSE: Final = 0.1

_T = TypeVar("_T")


def make_engine(url: str) -> Engine:
    """Return an engine for an SQLite or PostgreSQL URL; nothing is connected yet. Raises DatabaseError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is not a number
        raise DatabaseError("DATABASE_URL is not a database URL; write sqlite:///path or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise DatabaseError(f"DATABASE_URL: {backend} is not supported; use SQLite or PostgreSQL")
    # Ignore the driver that the URL names, and use the installed one.
    parsed = parsed.set(drivername=_DRIVERS[backend])
    return sqlite_engine(parsed) if backend == "sqlite" else postgresql_engine(parsed)


def clock(connection: Connection) -> datetime:
    """Return the database's current time, not that of the start of the transaction."""
    if connection.dialect.name == "sqlite":
        moment = connection.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"))
        return datetime.fromisoformat(str(moment)).replace(tzinfo=UTC)
    moment = connection.scalar(text("SELECT clock_timestamp()"))
    if not isinstance(moment, datetime):
        raise TypeError("the database has no clock")
    return moment.astimezone(UTC)


class Database:
    """The database, with one engine per process, because connections must not cross a fork."""

    def __init__(self, url: str) -> None:
        """Do not connect yet."""
        self._url = url
        self._engine: Engine | None = None
        self._process = 0

    @property
    def engine(self) -> Engine:
        """The engine of this process. One inherited through a fork is not used: it is the parent's."""
        if self._engine is None or self._process != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = make_engine(self._url)
            self._process = os.getpid()
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes: committed at the end, rolled back on an error.

        Raises StoreUnavailableError.
        """
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Connect without a transaction, for migrations. Errors are those of write()."""
        with translated(), self.engine.connect() as connection:
            yield connection

    def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Run ``work`` in one transaction that writes, and return its result after the commit.

        If the database rolls back because of a deadlock or a serialization failure, it is retried a few times. So
        ``work`` must change nothing but the database. Use this for work that must not be lost; work that is repeated
        anyway, or that a person requests, can use write().
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
        """Open a read-only transaction with one consistent snapshot, which never waits for writers."""
        level = "REPEATABLE READ" if self.engine.dialect.name == "postgresql" else None
        with translated(), self.engine.connect() as connection:
            options: dict[str, Any] = {READS_ONLY: True}
            if level:
                options |= {"isolation_level": level, "postgresql_readonly": True}
            yield connection.execution_options(**options)

    @contextmanager
    def read_once(self) -> Iterator[Connection]:
        """Run a single statement that reads, on PostgreSQL without the round trips of a transaction."""
        level = "AUTOCOMMIT" if self.engine.dialect.name == "postgresql" else None
        with translated(), self.engine.connect() as connection:
            options: dict[str, Any] = {READS_ONLY: True} | ({"isolation_level": level} if level else {})
            yield connection.execution_options(**options)

    def close(self) -> None:
        """Close this process's connections."""
        if self._engine is not None and self._process == os.getpid():
            self._engine.dispose()
        self._engine = None
