"""Beat's scheduler: it sends what is scheduled, unless SQL shows that there is nothing to do.

A message wakes a worker and one of its children, and two beats each send one every second. On an idle system, that
was nine tenths of the whole load.
"""

import logging
import time
from typing import Any, Final

from celery.beat import Scheduler as CeleryScheduler

from worker.domain.log_events import event
from worker.health.process_heartbeat import BEAT_EVERY
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.store.monitoring.pending_work import is_delivery_due, is_dispatch_wanted
from worker.tasks.names import DELIVER, DISPATCH
from worker.tasks.processes.main_loop_heartbeat import beat_while_connecting, heartbeat, why_not_sent
from worker.tasks.processes.query_with_timeout import QueryWithTimeout
from worker.tasks.resources import database

_log: Final = logging.getLogger(__name__)

# The longest interval between dispatches, whose heartbeat shows that beat, broker, workers and SQL work together.
# After 30 s without one, health reports it.
_SILENCE: Final = 10.0
_TIMEOUT: Final = 1.0  # for the database's answer, in seconds


class Scheduler(CeleryScheduler):
    """Celery's scheduler, with a query before some tasks. Each task is sent once at the start without it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Celery's own
        """Start like Celery's scheduler."""
        self._queries = {
            DISPATCH: QueryWithTimeout(self._is_dispatch_wanted, _TIMEOUT),
            DELIVER: QueryWithTimeout(_is_delivery_due, _TIMEOUT),
        }
        self._sent: set[str] = set()
        self._noted_at = -_SILENCE
        self._problem: str | None = None
        self._told: str | None = None
        self._refused_since: float | None = None
        self._beat_at = -BEAT_EVERY
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:  # noqa: ANN401  as above
        """Send a task that is due by the schedule, if it has work to do."""
        query = self._queries.get(entry.task)
        if query is None or entry.task not in self._sent or query.ask():
            super().apply_entry(entry, producer=producer)
            self._sent.add(entry.task)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:  # noqa: ANN401, FBT001, FBT002  as above
        """Send a task, and record whether the broker accepted it."""
        try:
            sent = super().apply_async(entry, producer=producer, advance=advance, **kwargs)
        except Exception as error:
            self._problem = why_not_sent(error)
            self._log_refusal(self._problem)
            raise
        self._problem = None
        self._log_acceptance()
        return sent

    def _log_refusal(self, problem: str) -> None:
        if self._refused_since is None:
            self._refused_since = time.monotonic()
            _log.error("no task can be sent, every second is a new try: %s", problem, extra=event("broker_refuses"))

    def _log_acceptance(self) -> None:
        if self._refused_since is not None:
            seconds = time.monotonic() - self._refused_since
            self._refused_since = None
            _log.warning("tasks are sent again, after %.0f s", seconds, extra=event("broker_accepts"))

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401  as above
        """Run one turn of the main loop, with a heartbeat."""
        pause = super().tick(*args, **kwargs)
        if time.monotonic() - self._beat_at >= BEAT_EVERY or self._problem != self._told:
            heartbeat("beat")(self._problem)
            self._beat_at, self._told = time.monotonic(), self._problem
        return pause

    def _ensure_connected(self) -> Any:  # noqa: ANN401  as above
        beat_while_connecting(self.connection, "beat", self._note_problem)
        return super()._ensure_connected()  # type: ignore[misc]  # celery-types does not know it

    def _note_problem(self, problem: str) -> None:
        self._problem = problem
        self._queries[DISPATCH].ask()  # it records the heartbeat first

    def _is_dispatch_wanted(self) -> bool:
        if time.monotonic() - self._noted_at >= _SILENCE:
            with database().write() as connection:
                record_heartbeat(connection, "beat", self._problem)
            self._noted_at = time.monotonic()
        with database().read_once() as connection:
            return is_dispatch_wanted(connection, _SILENCE)

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Wake up when a task is due, not 10 ms before, for which Celery's own scheduler spins."""
        return super().adjust(n, drift)  # type: ignore[arg-type]  # celery-types says int, Celery counts in fractions


def _is_delivery_due() -> bool:
    with database().read_once() as connection:
        return is_delivery_due(connection)
