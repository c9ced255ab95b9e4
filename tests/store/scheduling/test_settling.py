"""From the ledger to the checks after the end: what was recorded is learned, kept in SQL, and spares requests."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from tests.store.world import PLAN, answer, name, project, seen, stored, track
from worker.domain.scheduling.settling import ages_to_check
from worker.store.engine import Database
from worker.store.models import SettlingRate, TrackedProject
from worker.store.scheduling.durations import load
from worker.store.scheduling.settling import settled_projects
from worker.tracking.learn_durations import learn_durations

LAST = sum(PLAN.settle_gaps)


def finish(database: Database, status: str, credits_charged: int, later: int) -> None:
    """One video that ends, and is checked once more."""
    track(database, 1)
    answer(database, *(seen(*each, type="A") for each in (("rendering",), (status, credits_charged), (status, later))))


@pytest.mark.parametrize(
    ("status", "at_end", "later", "counted"),
    [("complete", 450, 450, 0), ("complete", 450, 400, 1), ("error", 450, 0, 0), ("error", 0, 7, 1)],
    ids=["unchanged", "corrected", "refunded", "charged again"],
)
def test_changes_after_the_end_are_counted_but_for_owed_refunds(
    database: Database, status: str, at_end: int, later: int, counted: int
) -> None:
    finish(database, status, at_end, later)
    with database.read() as connection:
        found = settled_projects(connection, "video", "A", last_age=LAST, most=10)
    ((each,),) = found.values()
    assert len(each.changes) == counted
    assert all(0 <= low < high < 10 for low, high in each.changes)


def test_learned_rates_spare_the_checks_that_find_nothing(database: Database) -> None:
    finish(database, "complete", 450, 450)
    row = project(database)
    ended = {"finished_at": row["finished_at"] - timedelta(seconds=LAST), "last_observed_at": row["finished_at"]}
    copies = [{**row, **ended, "id": 1000 + at, "project_id": name(1000 + at), "metadata": {}} for at in range(300)]
    with database.write() as connection:
        table: Any = TrackedProject.__table__
        connection.execute(insert(table), [{key: one[key] for key in one if key in table.c} for one in copies])
    learn_durations(database, PLAN.settle_gaps)
    with database.read() as connection:
        rates = load(connection).settling["video", "A", "complete"]
    assert set(rates) == {30.0, 150.0, 750.0, LAST}
    assert list(ages_to_check(sorted(rates), rates, name(1))) == [LAST]
    assert {each["learned_from"] for each in stored(database, SettlingRate)} == {301}
