"""Upkeep: the work that keeps the database good to read, in small steps, from time to time."""

from dataclasses import dataclass

from worker.settings import Settings
from worker.store.books import book_days
from worker.store.engine import Database
from worker.tracking.check import Clients
from worker.tracking.reconcile import sample_balances


@dataclass(frozen=True, slots=True)
class Kept:
    """What was done: days booked, and sentences about accounts whose balance is not known."""

    days_booked: int
    troubles: tuple[str, ...] = ()


def keep_up(database: Database, settings: Settings, clients: Clients) -> Kept:
    """Book the days that are over, and note what each account can spend. Harmless to run twice at the same time."""
    booked = book(database)
    return Kept(booked, tuple(sample_balances(database, settings, clients, patience=0.0)))


def book(database: Database) -> int:
    """Book all days that are over, a month in each transaction. Returns how many."""
    booked = 0
    while True:
        with database.write() as connection:
            days = book_days(connection)
        if not days:
            return booked
        booked += days
