"""The database's clock is set forward and back by an hour: nothing stands still for longer than that."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from tests.store.deliveries.claiming import claim_all, mark_failed
from tests.store.world import (
    answer,
    change,
    fill,
    hold,
    make_due,
    pass_time,
    project,
    record,
    seen,
    stored,
    track,
)
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database, clock
from worker.store.models import Account, Delivery
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.tracking.dispatch import dispatch

HOUR = 3600.0
SETTINGS = Settings(magic_hour_api_key=SecretStr("mhk_live_key-of-the-tests"), rate=10, burst=100)


def dispatched(database: Database) -> int:
    return dispatch(database, SETTINGS, Durations(), lambda _: None)


def while_an_hour_ahead(database: Database, happens: Callable[[], object]) -> None:
    """Let something happen while the clock is an hour ahead, and set it right."""
    dispatched(database)
    pass_time(database, HOUR)  # the clock jumps: everything stored is an hour older
    happens()
    dispatched(database)
    pass_time(database, -HOUR)  # and it is set back: everything stored is from the future


def soon(database: Database, moment: Any) -> bool:  # noqa: ANN401  a stored time
    with database.read() as connection:
        return bool(moment is None or moment <= clock(connection) + timedelta(seconds=120))


def test_an_empty_bucket_fills_at_once_at_its_rate(database: Database) -> None:
    track(database, 1)
    while_an_hour_ahead(database, lambda: fill(database, 0))
    track(database, *range(2, 42))
    fill(database, 0)
    started = time.monotonic()
    dispatched(database)
    pass_time(database, 2)
    taken = dispatched(database)
    # Two seconds at ten a second, and what the calls themselves took: the bucket was emptied just before them.
    most = 20 + SETTINGS.rate * (time.monotonic() - started)
    assert 15 <= taken <= most


def test_the_bucket_alone_recovers_without_a_heartbeat_to_tell(database: Database) -> None:
    track(database, 1)
    fill(database, 0)
    with database.write() as connection:
        ahead = clock(connection) + timedelta(hours=1)
        connection.execute(update(Account).values(refilled_at=ahead))
    assert dispatched(database) == 0
    pass_time(database, 1)
    assert dispatched(database) == 1


def test_a_lease_ends_when_it_would_have(database: Database) -> None:
    track(database, 1)

    def lease() -> None:
        make_due(database)
        fill(database)
        assert dispatched(database) == 1

    while_an_hour_ahead(database, lease)
    dispatched(database)
    pass_time(database, SETTINGS.lease_seconds + 1)
    fill(database)
    assert dispatched(database) == 1


def test_checks_keep_their_gaps(database: Database) -> None:
    track(database, 1)
    while_an_hour_ahead(database, lambda: answer(database, seen("rendering")))
    assert not soon(database, project(database)["next_check_at"])
    dispatched(database)
    assert soon(database, project(database)["next_check_at"])


def test_what_was_rightly_planned_for_later_stays(database: Database) -> None:
    track(database, 1)
    make_due(database)
    record(database, hold(database), seen("complete", 300))
    with database.read() as connection:
        later = clock(connection) + timedelta(hours=3)
    change(database, next_check_at=later, check_gap=4 * HOUR)
    while_an_hour_ahead(database, lambda: None)
    dispatched(database)
    assert abs((project(database)["next_check_at"] - later).total_seconds()) < 1


@pytest.mark.parametrize("reason", ["unavailable", "unauthorized", "rate_limited"])
def test_a_pause_ends(database: Database, reason: str) -> None:
    track(database, 1)

    def pause() -> None:
        with database.write() as connection:
            until = clock(connection) + timedelta(seconds=60)
            connection.execute(update(Account).values(paused_until=until, pause_reason=reason))

    while_an_hour_ahead(database, pause)
    dispatched(database)
    (account,) = stored(database, Account)
    assert soon(database, account["paused_until"])


@pytest.mark.parametrize("beat", ["check", "intake", "beat"])
def test_any_heartbeat_shows_that_the_clock_was_set_back(database: Database, beat: str) -> None:
    track(database, 1)
    dispatched(database)
    pass_time(database, HOUR)
    answer(database, seen("rendering"))  # no dispatch while the clock is ahead
    with database.write() as connection:
        record_heartbeat(connection, beat)
    pass_time(database, -HOUR)
    dispatched(database)
    assert soon(database, project(database)["next_check_at"])


def test_what_was_tracked_while_the_clock_was_ahead_is_checked_at_once(database: Database) -> None:
    track(database, 1)
    while_an_hour_ahead(database, lambda: track(database, 2))
    fill(database)
    dispatched(database)
    assert soon(database, project(database, 2)["next_check_at"])


@pytest.mark.parametrize("before", [0.0, 200.0])
def test_a_probe_and_an_attempt_planned_long_before_the_clock_was_set_back_do_not_wait(
    database: Database, before: float
) -> None:
    track(database, 1)
    answer(database, seen("complete", 300))

    def plan() -> None:
        with database.write() as connection:
            ahead = clock(connection) - timedelta(seconds=before)
            connection.execute(update(Account).values(paused_until=ahead, pause_reason="unavailable"))
            connection.execute(update(Delivery).values(next_attempt_at=ahead))

    while_an_hour_ahead(database, plan)
    dispatched(database)
    assert soon(database, stored(database, Account)[0]["paused_until"])
    assert all(soon(database, row["next_attempt_at"]) for row in stored(database, Delivery))


def test_what_ended_while_the_clock_was_ahead_settles_at_its_own_pace(database: Database) -> None:
    track(database, 1)
    while_an_hour_ahead(database, lambda: answer(database, seen("complete", 300)))
    dispatched(database)
    make_due(database)
    answer(database, seen("complete", 300))
    found = project(database)
    with database.read() as connection:
        assert found["settling_since"] <= clock(connection)
        assert found["next_check_at"] < clock(connection) + timedelta(seconds=HOUR / 2)


def test_a_delivery_is_tried_again(database: Database) -> None:
    track(database, 1)
    answer(database, seen("complete", 300))

    def fail() -> None:
        with database.write() as connection:
            mark_failed(connection, claim_all(connection))

    while_an_hour_ahead(database, fail)
    dispatched(database)
    assert all(soon(database, row["next_attempt_at"]) for row in stored(database, Delivery))


def test_nothing_waits_for_longer_than_a_clock_was_behind(database: Database) -> None:
    """The clock is an hour behind for a while: what was planned before waits for that hour at most."""
    track(database, 1)
    answer(database, seen("rendering"))
    dispatched(database)
    pass_time(database, -HOUR)
    dispatched(database)
    assert soon(database, project(database)["next_check_at"])
    pass_time(database, HOUR)
    fill(database)
    assert dispatched(database) == 1
