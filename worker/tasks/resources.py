"""What the tasks of one process share: its database connections and its HTTP connections."""

import os
from functools import cache

from worker.settings import get_settings
from worker.store.engine import Database
from worker.tracking.check import Clients


@cache
def database() -> Database:
    """Return the database; it makes connections of its own in each process."""
    return Database(get_settings().database)


def clients() -> Clients:
    """Return this process's HTTP clients: connections must not cross a fork."""
    return _clients(os.getpid())


@cache
def _clients(process: int) -> Clients:  # noqa: ARG001  the key of the cache
    return Clients(get_settings())
