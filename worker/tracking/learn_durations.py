"""Learn how long renders take, from the history in SQL, and remember it for a while."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import accumulate
from typing import Final

from worker.domain.intake.request import TrackRequest
from worker.domain.scheduling.cohorts import weigh
from worker.domain.scheduling.durations import ANY_TYPE, Durations, first_guess
from worker.domain.scheduling.hazard import REMEMBERED, estimate_hazard
from worker.domain.scheduling.schedule import Plan
from worker.domain.scheduling.settling import estimate_rates
from worker.settings import Settings
from worker.store.engine import Database, clock
from worker.store.scheduling.durations import (
    Key,
    finished_renders,
    last_learned,
    load,
    running_renders,
    save,
    types_to_learn,
)
from worker.store.scheduling.rate_limits import delete_request_counts
from worker.store.scheduling.settling import save_rates, settled_projects
from worker.tracking.fault_isolation import attempt

# More types than this in one round wait for the next one.
MOST_TYPES: Final = 100
# Maximum number of running renders considered, the latest first.
_MOST_RUNNING: Final = 2000
# How long intake uses what it has read.
_INTAKE_REMEMBERS: Final = 30.0
# How far back charts of requests go.
_CHARTED: Final = timedelta(days=7)


def learn_durations(database: Database, settle_gaps: Sequence[float] = Plan.settle_gaps) -> int:
    """Learn every type, and every kind as a whole, with newly finished renders. Returns how many.

    For each type, also learn how often its credits change after the end, between the checks at ``settle_gaps``.
    A type that cannot be learned is logged, and keeps what was learned before.
    """
    with database.read() as connection:
        keys = types_to_learn(connection, MOST_TYPES)
    learned = [
        attempt(f"learning {' '.join(key).strip()}", partial(_learn, database, key, settle_gaps)) for key in keys
    ]
    if keys:
        with database.write() as connection:
            delete_request_counts(connection, clock(connection) - _CHARTED)
    return sum(each is not None for each in learned)


def _learn(database: Database, key: Key, settle_gaps: Sequence[float]) -> Key:
    kind, type_ = key
    with database.read() as connection:
        finished, since = finished_renders(connection, key, REMEMBERED)
        running = running_renders(connection, key, _MOST_RUNNING)
    hazard = estimate_hazard(weigh([*finished, *running], since), first_guess(kind, type_ or ANY_TYPE))
    with database.write() as connection:
        save(connection, key, hazard, len(finished))
    if settle_gaps and type_ != ANY_TYPE:
        _learn_settling(database, key, list(accumulate(settle_gaps)))
    return key


def _learn_settling(database: Database, key: Key, ages: Sequence[float]) -> None:
    with database.read() as connection:
        settled = settled_projects(connection, *key, last_age=ages[-1], most=REMEMBERED)
    learned = {status: (estimate_rates(ages, projects), projects) for status, projects in settled.items()}
    with database.write() as connection:
        save_rates(connection, *key, learned)


class LearnedDurations:
    """What was learned, as one process knows it: read from SQL when first needed, and again when more was learned."""

    def __init__(self, database: Database, seconds: float) -> None:
        """Take the database, and after how many seconds to ask it whether anything was learned since."""
        self._database = database
        self._seconds = seconds
        self._known = Durations()
        self._learned_at: datetime | None = None
        self._asked_at = -float("inf")
        self._lock = threading.Lock()

    def durations(self) -> Durations:
        """Return what is known now."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self._seconds:
                with self._database.read() as connection:
                    learned_at = last_learned(connection)
                    if learned_at != self._learned_at:
                        self._known, self._learned_at = load(connection), learned_at
                self._asked_at = time.monotonic()
            return self._known


@cache
def _learned(database: Database) -> LearnedDurations:
    return LearnedDurations(database, _INTAKE_REMEMBERS)


def first_plan(database: Database, settings: Settings, requests: Iterable[TrackRequest]) -> Plan:
    """Return the plan for the first checks of new projects. What was learned is read only if a request names a type."""
    if all(each.type is None for each in requests):
        return settings.plan
    return replace(settings.plan, durations=_learned(database).durations())
