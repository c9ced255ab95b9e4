"""Checks of the database at start-up, which do not delay the process."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from worker.domain.log_events import event
from worker.health.process_heartbeat import Role
from worker.settings import get_settings
from worker.store.engine import Database, DatabaseError, StoreUnavailableError
from worker.store.schema_version import check
from worker.tasks.processes.watchdog import EXIT_CODE
from worker.tasks.resources import database

_EVERY: Final = 5.0
_log: Final = logging.getLogger("renderwatch")
_problems: Final[list[str]] = []


def check_database() -> None:
    """Exit with one line (SystemExit) if the database is unusable. One that is unavailable may come back."""
    try:
        _read(database())
    except StoreUnavailableError as error:
        _problems.append(str(error))
    except DatabaseError as error:
        raise SystemExit(f"renderwatch: {error}") from None


def report_database() -> None:
    """Log that the database was unavailable, if it was: logging was not set up when that was found out."""
    for problem in _problems:
        _log.error(
            "database unavailable: %s; nothing is checked until it responds, and then work resumes by itself. Fix:"
            " start the database, or correct DATABASE_URL; renderwatch doctor has details",
            problem,
            extra=event("database_unavailable", work="start"),
        )


def run(role: Role, then: Callable[[Database], None] | None = None) -> None:
    """Check the database, and then call ``then``, in a thread, so that neither delays the start."""
    threading.Thread(target=_run, args=(role, then), name="start-checks", daemon=True).start()


def _run(role: Role, then: Callable[[Database], None] | None) -> None:
    own = Database(get_settings().database)
    try:
        if _problems:
            _wait_for_database(own, role)
        if then:
            then(own)
    except StoreUnavailableError:
        pass  # the tasks report it
    finally:
        own.close()


def _wait_for_database(own: Database, role: Role) -> None:
    while True:
        try:
            _read(own)
        except StoreUnavailableError:
            time.sleep(_EVERY)
        except DatabaseError as error:
            _log.critical(
                "%s: exiting, so that the supervisor restarts this process",
                error,
                extra=event("process_stuck", role=role),
            )
            os._exit(EXIT_CODE)
        else:
            break
    _log.info("the database is available; resuming", extra=event("database_available", role=role))


def _read(source: Database) -> None:
    with source.read() as connection:
        check(connection)
