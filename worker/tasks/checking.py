"""Shared by the tasks of a process that check projects: HTTP connections and learned durations."""

import os
from functools import cache
from typing import Final

from worker.settings import get_settings
from worker.tasks.resources import database
from worker.tracking.clients import Clients
from worker.tracking.learn_durations import LearnedDurations

# One small query each time, only in processes that check.
_LEARNED_FOR: Final = 2.0


@cache
def learned_durations() -> LearnedDurations:
    """Return the learned durations; each process rereads them soon after an update."""
    return LearnedDurations(database(), _LEARNED_FOR)


def clients() -> Clients:
    """Return this process's HTTP clients: connections must not cross a fork."""
    return _clients(os.getpid())


@cache
def _clients(process: int) -> Clients:  # noqa: ARG001  the key of the cache
    return Clients(get_settings())
