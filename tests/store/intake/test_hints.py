"""What a check makes of a webhook of Magic Hour that reported a status."""

from datetime import timedelta

import pytest

from tests.store.world import CREATED, change, hold, pass_time, project, record, request, seen, stored, track
from worker.domain.scheduling.pricing import first_price
from worker.domain.scheduling.schedule import Plan
from worker.store.engine import Database
from worker.store.intake.hints import make_due
from worker.store.models import Account

FAR = 30.0


def report(database: Database, status: str) -> None:
    """Let a webhook report a status of the one project."""
    with database.write() as connection:
        assert make_due(connection, project(database)["id"], status)


def running(database: Database) -> None:
    """Track a project that runs, and whose next check is planned far ahead."""
    track(database, request(1))
    record(database, hold(database), seen("rendering"))
    change(database, check_gap=FAR)


def price(database: Database) -> float | None:
    found: float | None = stored(database, Account)[0]["price"]
    return found


def test_an_end_that_a_webhook_reported_counts_from_then_and_raises_the_price(database: Database) -> None:
    running(database)
    pass_time(database, 60)
    report(database, "complete")
    record(database, hold(database), seen("complete"))
    after = project(database)
    assert (after["hinted_at"], after["hinted_status"]) == (None, None)
    assert 0 <= after["detection_delay"] < 60  # seconds ago on the slowest machine; the gap before was a minute
    found = price(database)
    assert found is not None
    assert found > first_price(Plan.target)


def test_a_webhook_ahead_of_the_api_lets_the_project_be_checked_again_soon(database: Database) -> None:
    running(database)
    report(database, "complete")
    record(database, hold(database), seen("rendering"))
    assert project(database)["check_gap"] <= 5
    assert project(database)["hinted_status"] is None
    pass_time(database, 6)
    record(database, hold(database), seen("complete"))  # and then as planned, so only once


def test_a_webhook_during_the_check_that_saw_the_same_needs_no_other(database: Database) -> None:
    running(database)
    change(database, next_check_at=CREATED)
    lease = hold(database)
    report(database, "complete")
    change(database, hinted_at=lease.begun_at + timedelta(microseconds=1000))
    record(database, lease, seen("complete"))
    after = project(database)
    assert (after["state"], after["hinted_at"]) == ("settling", None)
    assert after["check_gap"] == pytest.approx(30)
