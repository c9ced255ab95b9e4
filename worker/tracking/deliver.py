"""Deliver: send the events that are due, and record the outcomes."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from worker.domain.batches import batched
from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.destination import DestinationError, parse_destination
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.deliveries.terms import Terms
from worker.domain.metrics import NO_TOTALS, Totals, labels
from worker.settings import Settings
from worker.store.deliveries.attempts import record_attempts
from worker.store.deliveries.destinations import due_destinations, give_up_waiting, register, unregistered
from worker.store.deliveries.outbox import claim_deliveries
from worker.store.engine import Database, StoreUnavailableError
from worker.tracking.fault_isolation import attempt, log_failure

BATCH: Final = 200
_LEASE: Final = 60.0
# Nothing is claimed after this long, well before the first lease expires; the next sweep continues.
_BUDGET: Final = 30.0
_THREADS: Final = 32
_LOOK_EVERY: Final = 0.2  # how often to look for newly due deliveries while others are being sent

# Attempts start early enough to be finished and recorded before the lease expires.
_START_WITHIN: Final = 25.0

# Sends deliveries to one destination, starting none after the deadline, and returns an attempt for each.
Send = Callable[[Sequence[DueDelivery], float], Sequence[Attempt]]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a round: numbers of deliveries sent, failed, and dead."""

    sent: int = 0
    failed: int = 0
    dead: int = 0


def deliver(database: Database, settings: Settings, send: Send) -> Delivered:
    """Send everything that is due. Each delivery is tried once; failed ones are retried later.

    ``send`` gets deliveries to one destination, in threads, so that one that hangs delays no other destination. Raises
    StoreUnavailableError.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="deliver") as pool:
        run = _Run(database, settings, send, pool)
        database.transact(lambda connection: register(connection, unregistered(connection)))
        run.dead += database.transact(lambda connection: give_up_waiting(connection, settings.delivery_give_up_after))
        run.go()
    return Delivered(run.sent, run.failed, run.dead)


@dataclass(slots=True)
class _Run:
    database: Database
    settings: Settings
    send: Send
    pool: ThreadPoolExecutor
    sent: int = 0
    failed: int = 0
    dead: int = 0
    _jobs: dict[Future[Sequence[Attempt]], Sequence[DueDelivery]] = field(default_factory=dict)

    def go(self) -> None:
        stop_at = time.monotonic() + _BUDGET
        while True:
            if time.monotonic() < stop_at:
                self._start_jobs()
            if not self._jobs:
                return
            done, _ = wait(self._jobs, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            for job in done:
                self._finish(self._jobs.pop(job), job.result())

    def _start_jobs(self) -> None:
        with self.database.read() as connection:
            names = due_destinations(connection)
        for name in names:
            deadline = time.monotonic() + _START_WITHIN
            for part in self._claim(name):
                self._jobs[self.pool.submit(self.send, part, deadline)] = part

    def _claim(self, name: str) -> Iterator[Sequence[DueDelivery]]:
        room = _THREADS * 2 - len(self._jobs)
        terms = terms_of(name)
        if room <= 0:
            return iter(())
        claimed = self.database.transact(
            lambda connection: claim_deliveries(
                connection,
                name,
                terms,
                limit=min(BATCH, room * terms.batch),
                lease_seconds=_LEASE,
                give_up_after=self.settings.delivery_give_up_after,
                jitter=random.random(),  # noqa: S311  spreads load
            )
        )
        return batched(claimed, terms.batch)

    def _finish(self, deliveries: Sequence[DueDelivery], made: Sequence[Attempt]) -> None:
        name = deliveries[0].destination
        sent = sum(each.error is None for each in made)
        failed = sum(each.error is not None and each.was_made for each in made)
        label = _label(name, self.settings)
        totals: Totals = Counter(
            {("deliveries", labels(label, "sent")): sent, ("deliveries", labels(label, "failed")): failed}
        )
        pairs = list(zip(deliveries, made, strict=True))
        record = partial(self._record, name, terms_of(name))
        try:
            self.dead += record(pairs, totals)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  a bad row or a bug of ours must not affect other deliveries
            log_failure(f"recording {len(pairs)} deliveries at once", error)
            for pair in pairs:
                step = partial(record, [pair], NO_TOTALS)
                self.dead += attempt(f"recording what came of delivery {pair[0].id}", step) or 0
        self.sent += sent
        self.failed += failed

    def _record(self, name: str, terms: Terms, attempts: Sequence[tuple[DueDelivery, Attempt]], totals: Totals) -> int:
        """Record attempts; an event whose attempt is not recorded would be sent again."""
        return self.database.transact(
            lambda connection: record_attempts(
                connection,
                name,
                terms,
                attempts,
                give_up_after=self.settings.delivery_give_up_after,
                jitter=random.random,  # spreads load
                totals=totals,
            )
        )


def terms_of(destination: str) -> Terms:
    """Return the terms of a stored destination; the defaults if it cannot be parsed, which its attempts report."""
    try:
        return parse_destination(destination).terms
    except DestinationError:
        return Terms()


def _label(destination: str, settings: Settings) -> str:
    """Name a destination in metrics. Those chosen by callers share a name, because they are unbounded."""
    in_routes = any(destination in destinations for destinations in settings.routes.values())
    return shown_destination(destination).partition("?")[0] if in_routes else "notify"
