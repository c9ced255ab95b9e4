"""Maintenance: recurring work on stored data, in small steps."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from worker.domain.log_events import event
from worker.settings import Settings
from worker.store.engine import Database, StoreUnavailableError, clock
from worker.store.intake.hints import delete_old_hints
from worker.store.intake.rejections import MOST_ROWS, delete_excess, delete_rejections
from worker.store.ledger.daily_totals import close_days
from worker.store.ledger.retention import choose_old, retire
from worker.store.monitoring.invariant_scan import scan_invariants
from worker.store.projects.expire_without_key import expire_without_key
from worker.store.projects.metadata_fill import fill_metadata
from worker.tracking.clients import Clients
from worker.tracking.fault_isolation import attempt, log_failure
from worker.tracking.reconcile import sample_balances

# Projects removed in one transaction: a few dozen milliseconds.
_BATCH: Final = 200
# Balances are compared over days, because renders in progress would dominate the difference over hours.
_DAY: Final = 86_000.0
# How long one run removes projects; the next run continues.
_SECONDS: Final = 20.0
# How many projects are scanned in one transaction (tens of milliseconds), and for how long in one run.
_SCANNED: Final = 500
_SCAN_SECONDS: Final = 5.0
# Projects whose metadata is added in one transaction: about a hundred milliseconds.
_ADDED: Final = 2000
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MaintenanceResult:
    """The outcome: days closed, projects removed, and a sentence for each account whose balance is unknown."""

    days_closed: int
    retired: int
    troubles: tuple[str, ...] = ()


def run_maintenance(database: Database, settings: Settings, clients: Clients) -> MaintenanceResult:
    """Run every maintenance step once. Harmless to run twice at the same time.

    A step that fails is logged, and the others are still done.
    """
    closed = attempt("closing past days", lambda: close_past_days(database))
    retired = attempt("removing old projects", lambda: remove_old(database, settings.retention, _SECONDS))
    attempt("adding metadata of older projects", lambda: add_metadata(database, _SECONDS))
    attempt("closing projects without a key", lambda: expire_keyless(database, settings))
    attempt("scanning invariants", lambda: scan(database, _SCAN_SECONDS))
    attempt("removing old rejected requests", lambda: _remove_rejected(database, settings.rejected_retention))
    attempt("removing old webhooks", lambda: _remove_old_hints(database))
    troubles = attempt(
        "recording balances",
        lambda: sample_balances(database, settings, clients, patience=0.0, at_most_every=_DAY),
    )
    return MaintenanceResult(closed or 0, retired or 0, tuple(troubles or ()))


def add_metadata(database: Database, seconds: float = float("inf")) -> int:
    """Add the metadata of projects that earlier versions tracked, for searches by it. Returns of how many projects."""
    deadline = time.monotonic() + seconds
    added = 0
    while time.monotonic() < deadline:
        some = database.transact(lambda connection: fill_metadata(connection, _ADDED))
        if not some:
            break
        added += some
    return added


def scan(database: Database, seconds: float) -> int:
    """Look for violated invariants among the next projects, all of them once a day. Returns how many were found."""
    deadline = time.monotonic() + seconds
    found = 0
    while time.monotonic() < deadline:
        counts = database.transact(lambda connection: scan_invariants(connection, _SCANNED))
        if counts is None:
            break
        for name, count in counts.items():
            if count:
                _log.error(
                    "%d %s; renderwatch doctor --deep counts all, please report it",
                    count,
                    name,
                    extra=event("invariant_violated", invariant=name, count=count),
                )
        found += sum(counts.values())
    return found


def expire_keyless(database: Database, settings: Settings) -> int:
    """Close projects that no check can reach, because their account never got an API key. Returns how many."""
    if not settings.accounts:  # a process without keys cannot tell which account has one
        return 0
    expire = partial(
        expire_without_key,
        keys=settings.accounts.keys(),
        give_up_after=settings.give_up_after,
        routes=settings.routes,
        most=_BATCH,
    )
    return database.transact(expire)


def _remove_old_hints(database: Database) -> int:
    with database.write() as connection:
        return delete_old_hints(connection, clock(connection))


def _remove_rejected(database: Database, retention: float) -> int:
    with database.write() as connection:
        old = delete_rejections(connection, before=clock(connection) - timedelta(seconds=retention))
    return old + _remove_excess_rejected(database, _SECONDS)


def _remove_excess_rejected(database: Database, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    deleted = 0
    while time.monotonic() < deadline:
        some = database.transact(delete_excess)
        if not some:
            break
        deleted += some
    if deleted:
        _log.warning(
            "deleted the %d oldest rejected requests: at most %d are kept",
            deleted,
            MOST_ROWS,
            extra=event("rejected_requests_deleted", deleted=deleted),
        )
    return deleted


def close_past_days(database: Database) -> int:
    """Close all past days, a month in each transaction. Returns how many."""
    closed = 0
    while True:
        with database.write() as connection:
            days = close_days(connection)
        if not days:
            return closed
        closed += days


def remove_old(database: Database, retention: float | None, seconds: float = float("inf")) -> int:
    """Remove projects closed for longer than ``retention`` seconds (None removes nothing). Returns how many."""
    if retention is None:
        return 0
    deadline = time.monotonic() + seconds
    retired, bad = 0, set[int]()
    while time.monotonic() < deadline:
        with database.write() as connection:
            before = clock(connection) - timedelta(seconds=retention)
        gone = attempt(f"removing {_BATCH} old projects at once", partial(_remove, database, before, bad))
        if gone is None:
            gone = _remove_each(database, before, bad)
        retired += gone
        if not gone:
            break
    return retired


def _remove(database: Database, before: datetime, skip: Collection[int]) -> int:
    with database.write() as connection:
        return retire(connection, choose_old(connection, before, _BATCH, skip))


def _remove_each(database: Database, before: datetime, bad: set[int]) -> int:
    """Remove a batch project by project, and add to ``bad`` those that cannot be removed."""
    gone = 0
    for _ in range(_BATCH):
        chosen: list[int] = []
        try:
            with database.write() as connection:
                chosen += choose_old(connection, before, 1, bad)
                gone += retire(connection, chosen)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  one bad row must not block the others
            log_failure(f"removing the project in row {chosen}", error)
            bad.update(chosen)
        if not chosen:
            break
    return gone
