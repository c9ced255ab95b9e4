"""Connections to SQLite, where writers take turns."""

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event

from worker.store.errors import DatabaseError

# Longer than any of our transactions; beyond it something is wrong, and waiting does not help.
LOCK_TIMEOUT: Final = 30
READS_ONLY: Final = "renderwatch_read_only"
_OURS_ALONE: Final = 0o600


def sqlite_engine(url: URL) -> Engine:
    """Return an engine. Raises DatabaseError for an in-memory database, and for a file that cannot be created."""
    if not url.database or ":memory:" in url.database:
        raise DatabaseError("an in-memory SQLite database is not shared between processes; name a file")
    _make_file(Path(url.database))
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": LOCK_TIMEOUT})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401  a DBAPI connection
        # The driver's own transactions start too late to lock, so we send BEGIN ourselves, below.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # With the write lock from the start, writers wait for each other instead of failing half-way.
        reading = connection.get_execution_options().get(READS_ONLY, False)
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _make_file(path: Path) -> None:
    """Create the file before SQLite does, readable only by its owner; SQLite gives its other files the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DatabaseError(
            f"the folder {path.parent} of the SQLite file cannot be created: {error.strerror}"
        ) from None
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _OURS_ALONE))
    except OSError as error:
        if not os.access(path, os.R_OK) or path.is_dir():  # SQLite can read it, and reports why it cannot write
            raise DatabaseError(f"the SQLite file {path} cannot be opened: {error.strerror}") from None
