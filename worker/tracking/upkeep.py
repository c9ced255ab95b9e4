"""Upkeep: the work that keeps the database good to read, in small steps, from time to time."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from worker.settings import Settings
from worker.store.books import book_days
from worker.store.engine import Database, clock
from worker.store.retention import retire
from worker.tracking.check import Clients
from worker.tracking.reconcile import sample_balances

# Projects removed in one transaction: a few dozen milliseconds.
_BATCH: Final = 200
# Balances are compared over days: over hours, what is under way weighs too much.
_DAY: Final = 86_000.0
# How long one run of the task goes on removing; the next run continues.
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done: days booked, projects removed, and sentences about accounts whose balance is not known."""

    days_booked: int
    retired: int
    troubles: tuple[str, ...] = ()


def keep_up(database: Database, settings: Settings, clients: Clients) -> Kept:
    """Book the days that are over, remove what is old, note balances. Harmless to run twice at the same time."""
    booked = book(database)
    retired = remove_old(database, settings.retention, _SECONDS)
    return Kept(booked, retired, tuple(sample_balances(database, settings, clients, patience=0.0, at_most_every=_DAY)))


def book(database: Database) -> int:
    """Book all days that are over, a month in each transaction. Returns how many."""
    booked = 0
    while True:
        with database.write() as connection:
            days = book_days(connection)
        if not days:
            return booked
        booked += days


def remove_old(database: Database, retention: float | None, seconds: float = float("inf")) -> int:
    """Remove projects that have been closed for longer than so many seconds. Returns how many; None removes nothing."""
    if retention is None:
        return 0
    deadline = time.monotonic() + seconds
    retired = 0
    while time.monotonic() < deadline:
        with database.write() as connection:
            gone = retire(connection, clock(connection) - timedelta(seconds=retention), _BATCH)
        retired += gone
        if not gone:
            break
    return retired
