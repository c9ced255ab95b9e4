"""What the tasks of one process share: its database connections and its HTTP connections."""

import os
from functools import cache

from worker.settings import get_settings
from worker.store.engine import Database
from worker.tracking.check import Clients
from worker.tracking.learn import Learned


@cache
def database() -> Database:
    """Return the database; it makes connections of its own in each process."""
    return Database(get_settings().database)


@cache
def learned() -> Learned:
    """Return what is known of durations; each process reads it anew from time to time."""
    return Learned(database(), get_settings().learn_every)


def clients() -> Clients:
    """Return this process's HTTP clients: connections must not cross a fork."""
    return _clients(os.getpid())


@cache
def _clients(process: int) -> Clients:  # noqa: ARG001  the key of the cache
    return Clients(get_settings())
