"""A worker that hears nothing while work waits ends itself, so that its supervisor starts it anew.

Celery and kombu come back to a lost broker by themselves, as far as is known. This is for what is not known: a worker
that waits for ever on a connection over which nothing comes looks healthy to everybody but SQL.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from celery.signals import worker_ready, worker_shutting_down

from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.store.stillness import work_waits
from worker.tasks.resources import database

EXIT_CODE: Final = 70  # EX_SOFTWARE of sysexits.h
_log = logging.getLogger(__name__)


class Watchdog:
    """Remembers when the last message came, and tells when that was too long ago. Times are seconds."""

    def __init__(
        self, patience: float, waits: Callable[[float], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to wait. ``waits`` tells whether work has been waiting for so long."""
        self._patience = patience
        self._waits = waits
        self._clock = clock
        self._last = clock()

    def message_came(self) -> None:
        """Note that a message came just now."""
        self._last = self._clock()

    def is_deaf(self) -> bool:
        """Whether no message has come for too long, though work waits. Who cannot ask SQL does not know, so: no."""
        if self._clock() - self._last < self._patience:
            return False
        try:
            return self._waits(self._patience)
        except StoreUnavailableError:
            return False


def _work_waits(seconds: float) -> bool:
    with database().read() as connection:
        return work_waits(connection, seconds)


watchdog: Final = Watchdog(get_settings().watchdog_after, _work_waits)
_stopping: Final = threading.Event()


@worker_ready.connect
def _start(**_: Any) -> None:  # noqa: ANN401  Celery's signals
    watchdog.message_came()
    threading.Thread(target=_watch, name="watchdog", daemon=True).start()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:  # noqa: ANN401  as above
    _stopping.set()


def _watch() -> None:
    patience = get_settings().watchdog_after
    while not _stopping.wait(patience / 10):
        if watchdog.is_deaf():
            _log.critical(
                "no message for %g s though projects are due and nothing is dispatched: ending, to be started anew."
                " If this comes again and again, beat is not running",
                patience,
            )
            # At once: nothing of ours runs, and a worker that is stuck may not be able to stop in good order.
            os._exit(EXIT_CODE)
