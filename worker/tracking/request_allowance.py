"""Waiting until an account's rate limit, which all workers share, has a request to spare."""

import time
from collections.abc import Callable
from typing import Any, Final

from worker.store.engine import Database

_PAUSE: Final = 0.2


def wait_for_request(database: Database, take: Callable[[Any], bool], seconds: float) -> bool:
    """Call ``take`` in transactions of its own until it has taken a request, for some seconds at most.

    Returns whether a request was taken.
    """
    deadline = time.monotonic() + seconds
    while True:
        if database.transact(take):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
