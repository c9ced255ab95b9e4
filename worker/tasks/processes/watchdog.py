"""The watchdog of worker and beat: it logs what stops work, and ends the process if work does not resume.

In all known cases, Celery and kombu reconnect to a lost broker. This is for the unknown ones: a process
that hangs looks healthy except in SQL, and its supervisor restarts it when it ends.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from celery.signals import beat_init, worker_ready, worker_shutting_down

from worker.domain.log_events import event
from worker.domain.monitoring.finding import Finding
from worker.domain.monitoring.health import Health
from worker.health.process_heartbeat import SILENT_AFTER
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.store.monitoring.health import read_health
from worker.tasks.intake.consumer import seconds_still
from worker.tasks.processes.main_loop_heartbeat import seconds_since_beat
from worker.tasks.resources import database

EXIT_CODE: Final = 70  # EX_SOFTWARE of sysexits.h
Process = Literal["worker", "beat"]
# Seconds between checks: what has stopped for 30 s is a finding, to be logged within a minute.
_EVERY: Final = 20.0
# Findings that a restart can fix if this process is the cause; the others are only logged.
_ENDS_FOR: Final[Mapping[Process, frozenset[str]]] = {
    "worker": frozenset({"dispatch_not_run", "checks_not_consumed", "checks_hang"}),
    "beat": frozenset({"dispatch_not_run", "beat_down"}),
}
_WATCHED: Final = frozenset().union(*_ENDS_FOR.values())
_log = logging.getLogger(__name__)


class Watchdog:
    """Tracks how long each finding has lasted. Times are seconds."""

    def __init__(
        self,
        process: Process,
        timeout: float,
        read: Callable[[], Health],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch for a process that is to end after ``timeout`` without progress while projects are due."""
        self._process: Process = process
        self._timeout = timeout
        self._read = read
        self._clock = clock
        self._since: dict[str, float] = {}
        self._logged: set[str] = set()

    def look(self) -> Finding | None:
        """Log new and resolved findings; return the one for which the process must end, if any.

        Without the database nothing is known, and the count restarts.
        """
        try:
            health = self._read()
        except StoreUnavailableError:
            self._since.clear()
            return None
        now = self._clock()
        found = {each.code: each for each in health.findings if each.code in _WATCHED}
        self._since = {code: self._since.get(code, now) for code in found}
        self._log_changes(found)
        due = bool(health.facts.due)
        late = [code for code, since in self._since.items() if now - since >= self._timeout]
        return next((found[code] for code in late if due and code in _ENDS_FOR[self._process]), None)

    def _log_changes(self, found: Mapping[str, Finding]) -> None:
        for code in self._logged - found.keys():
            _log.info("resolved: %s", code, extra=event("progress_resumed", finding=code))
        for code in found.keys() - self._logged:
            _log.error(
                "%s; %s. Fix: %s",
                found[code].summary,
                found[code].cost,
                found[code].fix,
                extra=event("progress_stopped", finding=code),
            )
        self._logged = set(found)


def _read_health() -> Health:
    settings = get_settings()
    with database().read() as connection:
        return read_health(connection, keys=settings.accounts, target_delay=settings.target_detection_delay)


_stopping: Final = threading.Event()


@worker_ready.connect
def _start_in_worker(**_: Any) -> None:  # noqa: ANN401  Celery's signals
    _start("worker")


@beat_init.connect
def _start_in_beat(**_: Any) -> None:  # noqa: ANN401  as above
    _start("beat")


@worker_shutting_down.connect
def _stop(**_: Any) -> None:  # noqa: ANN401  as above
    _stopping.set()


def _start(process: Process) -> None:
    threading.Thread(target=_watch, args=(process,), name="watchdog", daemon=True).start()


def _watch(process: Process) -> None:
    timeout = get_settings().watchdog_after
    watchdog = Watchdog(process, timeout, _read_health)
    while not _stopping.wait(min(_EVERY, timeout / 2)):
        if reason := _reason_to_end(process, timeout, watchdog):
            _log.critical(
                "%s: exiting, so that the supervisor restarts this process",
                reason,
                extra=event("process_stuck", role=process),
            )
            # At once, because a stuck process may not shut down cleanly, and leases in SQL protect its work.
            os._exit(EXIT_CODE)


def _reason_to_end(process: Process, timeout: float, watchdog: Watchdog) -> str | None:
    # If one of two beats hangs, nothing else detects it.
    silent = seconds_since_beat(process)
    if silent >= max(timeout, SILENT_AFTER):
        return f"the main loop of this {process} has stood still for {silent:.0f} s"
    still = seconds_still() if process == "worker" else 0.0
    if still >= max(timeout, SILENT_AFTER):
        return f"the intake thread of this worker has stood still for {still:.0f} s"
    found = watchdog.look()
    return f"no progress for {timeout:g} s while projects are due ({found.summary})" if found else None
