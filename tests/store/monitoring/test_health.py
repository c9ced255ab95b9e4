"""Health is read from what is stored, with one meaning of each word for queries, domain and rows."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from tests.store.world import (
    answer,
    change,
    claim,
    hold,
    make_due,
    name,
    pass_time,
    project,
    record,
    request,
    seen,
    stored,
    track,
)
from worker.domain.monitoring.health import Health
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.projects.project import Project
from worker.domain.scheduling.rate_limit import Limits, is_paused
from worker.store.engine import Database, clock
from worker.store.models import Account, Delivery, Destination, TrackedProject
from worker.store.monitoring import definitions
from worker.store.monitoring.health import read_health
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.store.monitoring.schedule_report import read_accounts, read_timing


def health_of(database: Database, *keys: str) -> Health:
    with database.read() as connection:
        return read_health(connection, keys=keys or ("default",), target_delay=5.0)


def codes(database: Database, *keys: str) -> list[str]:
    return [finding.code for finding in health_of(database, *keys).findings]


def in_an_hour(database: Database) -> datetime:
    with database.read() as connection:
        return clock(connection) + timedelta(hours=1)


def all_beats(database: Database, *with_key: str) -> None:
    """Let everything run: beat, and a worker that has the keys of these accounts (by default: default)."""
    with database.write() as connection:
        shown = Account.name.in_(with_key or ("default",))
        connection.execute(update(Account).where(shown).values(refilled_at=clock(connection)))
        for name in ("beat", "dispatch", "intake"):
            record_heartbeat(connection, name)


def test_a_system_that_works_is_well(database: Database) -> None:
    track(database, 1, 2)
    make_due(database)
    record(database, hold(database), seen("rendering"))
    all_beats(database)
    health = health_of(database)
    assert health.status == "ok"
    assert (health.facts.active, health.facts.due) == (2, 0)
    assert health.facts.last_check is not None


def test_nothing_dispatched_for_a_while_is_critical(database: Database) -> None:
    track(database, 1)
    all_beats(database)
    pass_time(database, 60)
    assert codes(database) == ["beat_down", "intake_not_read"]
    with database.write() as connection:
        record_heartbeat(connection, "beat")
    assert codes(database) == ["dispatch_not_run"]


def test_a_queue_without_a_consumer_is_named_however_often_its_leases_are_renewed(database: Database) -> None:
    track(database, 1)
    claim(database)
    pass_time(database, 40)
    all_beats(database)
    assert codes(database) == ["checks_not_consumed"]
    pass_time(database, 30)
    claim(database)  # the first lease is over
    all_beats(database)
    assert codes(database) == ["checks_not_consumed"]
    pass_time(database, 61)
    record(database, hold(database), seen("rendering"))
    all_beats(database)
    assert codes(database) == []


def test_overdue_counts_also_what_is_leased_again_and_again(database: Database) -> None:
    track(database, 1, 2)
    pass_time(database, 200)
    claim(database)
    all_beats(database)
    track(database, 3)
    assert health_of(database).facts.overdue == 2
    with database.read() as connection:
        in_view = connection.scalars(text("SELECT project_id FROM open_projects WHERE is_overdue ORDER BY 1"))
        assert list(in_view) == [name(1), name(2)]
        assert connection.scalar(text("SELECT overdue_projects FROM tracker_health")) == 2


def test_an_account_without_key_is_named_and_does_not_look_like_a_backlog(database: Database) -> None:
    track(database, request(1, account="studio"))
    pass_time(database, 500)
    all_beats(database)
    assert codes(database, "default") == ["account_without_key"]
    all_beats(database, "studio")
    assert codes(database, "studio") == ["overdue"]


@pytest.mark.parametrize("keys", [("nobody",), ("studio",)])
def test_what_workers_have_keys_of_is_known_in_a_process_that_has_others(database: Database, keys: tuple[str]) -> None:
    track(database, request(1), request(2, account="studio"))
    pass_time(database, 500)
    all_beats(database)
    with database.read() as connection:
        assert {row["name"]: row["has_key"] for row in read_accounts(connection, 5.0, keys)} == {
            "default": True,
            "studio": False,
        }
        limits = Limits(rate=10.0, burst=50)
        waits = [read_timing(connection, "video", name(n), limits, keys).next_check.waits_for for n in (1, 2)]
    assert ["an API key" in each for each in waits] == [False, True]
    named = [each.subject for each in health_of(database, *keys).findings if each.code == "account_without_key"]
    assert named == ["studio"]


def test_names_that_senders_make_up_hide_no_real_trouble(database: Database) -> None:
    track(database, request(1), *(request(n, account=f"made-up-{n}") for n in range(2, 20)))
    pass_time(database, 500)
    all_beats(database)
    health = health_of(database)
    assert [(each.code, each.severity) for each in health.findings] == [
        ("overdue", "critical"),
        ("account_without_key", "warning"),
    ]
    assert health.findings[1].summary.startswith("18 accounts have open projects, and no worker has an API key")


def test_dead_and_late_deliveries(database: Database) -> None:
    track(database, 1)
    answer(database, seen("complete", 300))
    all_beats(database)
    assert codes(database) == []
    pass_time(database, 90)
    all_beats(database)
    change(database, next_check_at=in_an_hour(database))
    assert codes(database) == ["deliveries_not_sent"]
    with database.write() as connection:
        connection.execute(update(Delivery).values(state="dead"))
    assert codes(database) == ["dead_deliveries"]


def test_a_destination_that_has_failed_for_minutes_is_named_while_something_waits_for_it(database: Database) -> None:
    track(database, 1)
    answer(database, seen("complete", 300))
    change(database, next_check_at=in_an_hour(database))
    with database.write() as connection:
        to = connection.scalars(select(Delivery.destination).order_by(Delivery.destination.desc())).first()
        assert to is not None
        now = clock(connection)
        opened = {"failures": 5, "open_until": now + timedelta(minutes=1), "last_error": "HTTP 503"}
        at = update(Destination).where(Destination.name == to)
        connection.execute(at.values(failing_since=now - timedelta(minutes=4), **opened))
    all_beats(database)
    assert codes(database) == []
    with database.write() as connection:
        connection.execute(at.values(failing_since=now - timedelta(minutes=6)))
    (found,) = health_of(database).facts.failing_destinations
    assert (found.name, found.error, found.waiting) == (to, "HTTP 503", 2)
    assert codes(database) == ["destination_failing"]
    with database.write() as connection:
        connection.execute(at.values(paused=True))
    assert codes(database) == []
    with database.write() as connection:
        connection.execute(at.values(paused=False))
        connection.execute(update(Delivery).values(state="dead"))
    assert codes(database) == ["dead_deliveries"]


def test_the_mean_delay_is_of_all_ends_of_the_hour(database: Database) -> None:
    track(database, *range(30))
    make_due(database)
    record(database, hold(database), seen("rendering"))
    make_due(database)
    record(database, hold(database), seen("complete", 300))
    for number in range(30):
        change(database, number, detection_delay=40.0 if number < 3 else 1.0)
    facts = health_of(database).facts
    assert facts.ends == 30
    assert facts.mean_delay is not None
    assert abs(facts.mean_delay - (3 * 40 + 27) / 30) < 0.001


def test_paused_means_the_same_in_domain_and_sql(database: Database) -> None:
    with database.read() as connection:
        now = clock(connection)
    cases = {
        f"{name}-{minutes}": (None if minutes is None else now + timedelta(minutes=minutes), reason)
        for name, reason in {"none": None, **{str(kind): str(kind) for kind in FailureKind}}.items()
        for minutes in (None, -5, 5)
        if (minutes is None) == (reason is None)
    }
    rows: list[dict[str, Any]] = [
        {"name": name.replace("_", "-"), "tokens": 0.0, "refilled_at": now, "paused_until": until, "pause_reason": why}
        for name, (until, why) in cases.items()
    ]
    with database.write() as connection:
        connection.execute(insert(Account), rows)
        paused = set(connection.scalars(select(Account.name).where(definitions.is_paused(now))))
        in_view = set(connection.scalars(text("SELECT account FROM account_status WHERE is_paused")))
        counted = connection.scalar(text("SELECT paused_accounts FROM tracker_health"))
    assert in_view == paused
    assert counted == len(paused) == health_of(database).facts.paused_accounts
    assert paused == {row["name"] for row in rows if is_paused(row["paused_until"], row["pause_reason"], now)}
    assert 0 < len(paused) < len(rows)


def test_stalled_means_the_same_in_domain_and_sql(database: Database) -> None:
    track(database, *range(1, 5))
    make_due(database)
    record(database, hold(database), seen("rendering"))
    at = project(database, 1)["last_observed_at"]
    change(database, 1, stalled_at=at)
    change(database, 2, stalled_at=at, finished_at=at)
    change(database, 3, stalled_at=at, state="closed", close_reason="expired", closed_at=at, next_check_at=None)
    with database.read() as connection:
        found = connection.scalars(select(TrackedProject.project_id).where(definitions.is_stalled()))
        stalled = set(found)
    names = {field.name for field in fields(Project)}
    rows = stored(database, TrackedProject)
    kept = [Project(**{name: row[name] for name in names & row.keys() if name != "metadata"}) for row in rows]
    assert stalled == {each.project_id for each in kept if each.is_stalled} == {rows[0]["project_id"]}


WEB_PAGE = CheckFailure(FailureKind.BAD_ANSWER, "the answer is a web page")


def fail_all(database: Database) -> None:
    make_due(database)
    record(database, hold(database), WEB_PAGE)
    all_beats(database)


def test_checks_that_all_fail_for_a_minute_are_a_finding_until_one_succeeds(database: Database) -> None:
    track(database, 1, 2, 3)
    fail_all(database)
    assert codes(database) == []
    pass_time(database, 70)
    fail_all(database)
    assert codes(database) == ["checks_fail"]
    (finding,) = health_of(database).findings
    assert (finding.severity, finding.subject) == ("critical", "default")
    assert finding.since == project(database)["failing_since"]
    make_due(database)
    record(database, hold(database), seen("rendering"))
    all_beats(database)
    assert codes(database) == []


def test_two_projects_that_fail_are_no_account_that_fails(database: Database) -> None:
    track(database, 1, 2)
    fail_all(database)
    pass_time(database, 70)
    fail_all(database)
    assert codes(database) == []


def test_projects_that_fail_beside_one_that_does_not_are_no_account_that_fails(database: Database) -> None:
    track(database, 1, 2, 3)
    fail_all(database)
    track(database, 4)
    record(database, hold(database), seen("rendering"))
    pass_time(database, 100)
    change(database, 1, next_check_at=project(database, 1)["tracked_at"])
    record(database, hold(database), WEB_PAGE)
    all_beats(database)
    assert "checks_fail" not in codes(database)
