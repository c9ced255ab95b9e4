"""The database connections that beat and all tasks of a process share."""

from functools import cache

from worker.settings import get_settings
from worker.store.engine import Database


@cache
def database() -> Database:
    """Return the database; each process has its own connections."""
    return Database(get_settings().database)
