"""The daily scan for violated invariants: bounded steps, on from where the last one stopped, known until it is gone."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.store.world import answer, change, make_due, seen, track
from worker.store.engine import Database, clock
from worker.store.models import InvariantScan
from worker.store.monitoring.health import read_health
from worker.store.monitoring.invariant_scan import read_scan, scan_invariants
from worker.tracking.maintenance import scan

CREDITS = "ledgers whose sum is not the project's credits"


def step(database: Database, projects: int = 2) -> dict[str, int] | None:
    """Scan so many projects; return what is violated, None when there is nothing to do."""
    with database.write() as connection:
        counts = scan_invariants(connection, projects)
    return None if counts is None else {name: count for name, count in counts.items() if count}


def a_day_passes(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(InvariantScan).values(started_at=clock(connection) - timedelta(days=1)))


def known(database: Database) -> tuple[int, list[str]]:
    with database.read() as connection:
        health = read_health(connection, keys=(), target_delay=5)
        return read_scan(connection).violations, [one.code for one in health.findings if "invariant" in one.code]


def complete(database: Database, *numbers: int) -> None:
    track(database, *numbers)
    make_due(database)
    answer(database, seen("complete", 300))


def test_it_goes_on_where_it_stopped_and_starts_again_after_a_day(database: Database) -> None:
    complete(database, 1, 2, 3)
    assert [step(database), step(database), step(database)] == [{}, {}, None]
    with database.read() as connection:
        assert read_scan(connection).scanned_at is not None
    assert step(database) is None
    a_day_passes(database)
    assert step(database) == {}


def test_a_violation_is_known_until_a_whole_scan_finds_none(database: Database) -> None:
    complete(database, 1, 2, 3)
    change(database, 1, credits_charged=7)
    assert step(database) == {CREDITS: 1}
    assert known(database) == (1, ["invariants_violated"])
    assert [step(database), step(database)] == [{}, None]
    change(database, 1, credits_charged=300)
    a_day_passes(database)
    assert step(database) == {}
    assert known(database) == (1, ["invariants_violated"])
    assert [step(database), step(database)] == [{}, None]
    assert known(database) == (0, [])


def test_maintenance_logs_what_is_violated(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    complete(database, 1, 2)
    change(database, 2, credits_charged=7)
    assert scan(database, seconds=60) == 1
    assert f"1 {CREDITS}" in caplog.text
    assert scan(database, seconds=60) == 0  # today's scan is over
    assert known(database)[0] == 1


def test_two_processes_do_not_scan_the_same_projects(database: Database) -> None:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    complete(database, 1, 2)
    with database.write() as connection:
        assert scan_invariants(connection, 1) is not None
        assert step(database) is None
