"""Learn how long renders take, from the history in SQL, and remember it for a while."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from worker.domain.durations import ANY_TYPE, Durations, first_guess
from worker.domain.hazard import REMEMBERED, Seen, freshness
from worker.domain.hazard import learn as improve
from worker.store.accounts import forget_requests
from worker.store.durations import Key, Render, finished_renders, has_news, load, running_ages, save
from worker.store.engine import Database, clock

# More types than this in one round wait for the next one.
MOST_TYPES: Final = 100
# Charts of requests go back so far.
_CHARTED: Final = timedelta(days=7)


def learn(database: Database) -> int:
    """Learn each type, and each kind as a whole, of which renders have finished since. Returns how many."""
    with database.read() as connection:
        keys = has_news(connection, MOST_TYPES)
    for key in keys:
        _learn(database, key)
    if keys:
        with database.write() as connection:
            forget_requests(connection, clock(connection) - _CHARTED)
    return len(keys)


def _learn(database: Database, key: Key) -> None:
    kind, type_ = key
    with database.read() as connection:
        finished = finished_renders(connection, key, REMEMBERED)
        running = running_ages(connection, key, REMEMBERED)
    seen = [*_ends(finished), *(Seen(age) for age in running)]
    guess = first_guess(kind, type_ or ANY_TYPE)
    hazard = improve(seen, guess)
    with database.write() as connection:
        save(connection, key, hazard, len(finished))


def _ends(finished: Sequence[Render]) -> list[Seen]:
    """Weigh them: the latest come first, and count most."""
    return [Seen(low, high, freshness(newer)) for newer, (low, high) in enumerate(finished)]


class Learned:
    """What was learned, as one process knows it: read from SQL when first needed, and again when it has aged."""

    def __init__(self, database: Database, seconds: float) -> None:
        """Remember where it stands, and after how many seconds to look again."""
        self._database = database
        self._seconds = seconds
        self._known = Durations()
        self._read_at = -float("inf")
        self._lock = threading.Lock()

    def durations(self) -> Durations:
        """Return what is known now."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._seconds:
                with self._database.read() as connection:
                    self._known = load(connection)
                self._read_at = time.monotonic()
            return self._known
