"""Another service: it hands over ids, and sends each one again until it is in SQL, as the README asks it to."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from tests.celery.world import INTAKE, TRACK, Store, entry, other_service
from tests.support.services import Broker

_LOOKS: Final = 1.0
# Longer than a message waits that is not lost: who sends again sooner makes a queue that never ends.
_AGAIN: Final = 15.0
_AT_ONCE: Final = 40
KNOWN: Final = "SELECT project_id FROM tracked_projects"


class Enqueuer:
    """Hands over in a thread of its own."""

    def __init__(self, broker: Broker, store: Store) -> None:
        self._broker = broker
        self._store = store
        self._open: dict[str, dict[str, Any]] = {}
        self._sent_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.handed: set[str] = set()
        self._thread.start()

    def add(self, projects: Sequence[Any]) -> None:
        """Hand these over from now on."""
        with self._lock:
            self._open |= {project.id: entry(project) for project in projects}
            self.handed |= {project.id for project in projects}

    @property
    def left(self) -> int:
        """How many are not known to be in SQL."""
        return len(self._open)

    def stop(self) -> None:
        self._end.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._end.wait(_LOOKS):
            with suppress(Exception):  # the broker or the database is away: in a second it tries again
                self._forget_known()
                self._send()

    def _forget_known(self) -> None:
        known = {row["project_id"] for row in self._store.rows(KNOWN)}
        with self._lock:
            self._open = {id_: request for id_, request in self._open.items() if id_ not in known}

    def _send(self) -> None:
        now = time.monotonic()
        with self._lock:
            waited = [id_ for id_ in self._open if now - self._sent_at.get(id_, -_AGAIN) >= _AGAIN]
        with other_service(self._broker) as app:
            for id_ in waited[:_AT_ONCE]:
                app.send_task(TRACK, kwargs=self._open[id_], queue=INTAKE, retry=False)
                self._sent_at[id_] = now
