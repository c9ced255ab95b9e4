"""Claiming what is due: the lease, the fence around it, and the rate limit in it."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.store.row_checks import live_leases
from tests.store.world import (
    LEASE,
    PLENTY,
    begin,
    change,
    claim,
    fill,
    hold,
    make_due,
    name,
    of,
    pass_time,
    project,
    record,
    request,
    seen,
    stored,
    track,
)
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.rate_limit import PROBE_EVERY, Limits
from worker.store.engine import Database, clock
from worker.store.models import Account, TrackedProject
from worker.store.projects.operator_actions import untrack
from worker.store.scheduling.claims import claim_due
from worker.store.scheduling.leases import Batch


def claimed(batches: list[Batch]) -> int:
    return sum(batch.size for batch in batches)


def leased(database: Database) -> list[str]:
    return [row["project_id"] for row in stored(database, TrackedProject) if row["lease_token"]]


def test_what_waited_longest_is_claimed_first(database: Database) -> None:
    track(database, 1, 2, 3)
    for number, waited in ((1, 1), (2, 3), (3, 2)):
        change(database, number, next_check_at=project(database, number)["tracked_at"] - timedelta(minutes=waited))
    claim(database, Limits(rate=1, burst=2))
    assert leased(database) == [name(2)]


def test_what_is_not_due_is_left_alone(database: Database) -> None:
    track(database, 1, 2)
    change(database, 1, next_check_at=project(database)["tracked_at"] + timedelta(hours=1))
    assert claimed(claim(database)) == 1
    assert leased(database) == [name(2)]


def test_a_claim_is_cut_into_batches_of_one_account(database: Database) -> None:
    track(database, *range(5), *(request(number, account="studio") for number in range(5, 8)))
    batches = claim(database, batch_size=2)
    assert sorted((batch.account, batch.size) for batch in batches) == [
        ("default", 1),
        ("default", 2),
        ("default", 2),
        ("studio", 1),
        ("studio", 2),
    ]
    assert len({batch.token for batch in batches}) == 5
    for batch in batches:
        lease = begin(database, batch.token)
        assert lease
        assert (lease.account, len(lease.claims)) == (batch.account, batch.size)


def test_what_is_leased_is_not_claimed_again(database: Database) -> None:
    track(database, 1)
    assert claimed(claim(database)) == 1
    make_due(database)
    assert claim(database) == []


def test_a_lease_that_ran_out_is_claimed_again_under_another_token(database: Database) -> None:
    track(database, 1)
    (first,) = claim(database)
    pass_time(database, LEASE - 1)
    assert claim(database) == []
    pass_time(database, 1)
    (second,) = claim(database)
    assert first.token != second.token
    assert begin(database, first.token) is None
    assert begin(database, second.token)


def test_a_repeated_message_finds_nothing(database: Database) -> None:
    track(database, 1)
    (batch,) = claim(database)
    assert begin(database, batch.token)
    assert begin(database, batch.token) is None


def test_a_message_after_its_lease_finds_nothing(database: Database) -> None:
    track(database, 1)
    (batch,) = claim(database)
    pass_time(database, LEASE)
    assert begin(database, batch.token) is None


def test_a_lease_tells_how_long_it_lasts(database: Database) -> None:
    track(database, 1)
    (batch,) = claim(database)
    pass_time(database, LEASE - 20)
    lease = begin(database, batch.token)
    assert lease
    assert 0 < lease.seconds_left <= 20


def test_a_late_worker_records_nothing_over_a_newer_one(database: Database) -> None:
    track(database, 1)
    late = hold(database)
    pass_time(database, LEASE)
    newer = hold(database)
    record(database, newer, seen("complete", 300))
    before = project(database)
    assert record(database, late, seen("rendering", 450)).lost == 1
    assert project(database) == before


def test_a_late_worker_takes_no_lease_from_a_newer_one(database: Database) -> None:
    track(database, 1)
    late = hold(database)
    pass_time(database, LEASE)
    newer = hold(database)
    record(database, late, seen("rendering"))
    assert project(database)["lease_token"] == newer.token
    assert record(database, newer, seen("rendering")).changed == 1


def test_a_late_worker_whose_lease_nobody_took_may_still_record(database: Database) -> None:
    track(database, 1)
    late = hold(database)
    pass_time(database, LEASE + 1)
    assert record(database, late, seen("rendering")).checked == 1


def test_the_same_answers_twice_are_recorded_once(database: Database) -> None:
    track(database, 1)
    lease = hold(database)
    assert record(database, lease, seen("rendering")).changed == 1
    assert (record(database, lease, seen("complete")).changed, project(database)["status"]) == (0, "rendering")


def test_untracking_takes_the_lease_away(database: Database) -> None:
    track(database, 1, 2)
    lease = hold(database)
    with database.write() as connection:
        untrack(connection, "video", [name(1)], "somebody", None)
    recorded = record(database, lease, seen("rendering"))
    assert (recorded.checked, recorded.lost) == (1, 1)
    assert project(database, 1)["status"] is None


def test_no_account_starves_another(database: Database) -> None:
    track(database, *range(100), *(request(number, account="studio") for number in range(100, 104)))
    assert Counter({batch.account: batch.size for batch in claim(database, max_in_flight=20)}) == {
        "default": 16,
        "studio": 4,
    }


def test_the_workers_get_no_more_than_they_can_take(database: Database) -> None:
    track(database, *range(30), *(request(number, account="studio") for number in range(30, 60)))
    assert claimed(claim(database, max_in_flight=20)) == 20
    assert claimed(claim(database, max_in_flight=25)) == 5
    assert claim(database, max_in_flight=25) == []


def test_an_account_has_no_more_in_flight_than_half_its_burst(database: Database) -> None:
    limits = Limits(rate=1, burst=10)
    track(database, *range(30))
    (batch,) = claim(database, limits)
    assert (batch.size, claim(database, limits)) == (5, [])
    lease = begin(database, batch.token)
    assert lease
    record(database, lease, seen("rendering"))
    assert claimed(claim(database, limits)) == 5


def test_a_new_account_begins_with_nothing_saved_up(database: Database) -> None:
    track(database, *range(30))
    assert claim(database, Limits(rate=0.001, burst=10), full=False) == []


def test_claims_never_exceed_the_rate_whoever_makes_them_and_when(database: Database) -> None:
    limits = Limits(rate=200, burst=20)
    track(database, *range(300))
    start = stored(database, Account)[0]["refilled_at"]
    total = 0
    for _ in range(40):
        total += claimed(claim(database, limits, full=False))
        free_all(database)
        with database.read() as connection:
            elapsed = (clock(connection) - start).total_seconds()
        assert total <= limits.rate * elapsed
    pass_time(database, 3600)
    assert claimed(claim(database, limits, full=False)) <= limits.bucket


def free_all(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(TrackedProject).values(lease_token=None, leased_until=None, claimed_at=None))


def test_only_claims_cost_allowance(database: Database) -> None:
    track(database, 1)
    limits = Limits(rate=0.001, burst=20)
    assert claimed(claim(database, limits)) == 1
    assert stored(database, Account)[0]["tokens"] == pytest.approx(9, abs=0.1)
    for _ in range(3):
        assert claim(database, limits, full=False) == []
    assert stored(database, Account)[0]["tokens"] == pytest.approx(9, abs=0.1)


def test_a_paused_account_sends_one_probe_a_minute(database: Database) -> None:
    track(database, *range(10))
    record(database, hold(database), CheckFailure(FailureKind.UNAUTHORIZED, "the key is unknown"))
    make_due(database)
    assert claim(database) == []
    pass_time(database, PROBE_EVERY)
    (probe,) = claim(database)
    assert probe.size == 1
    assert claim(database) == []
    pass_time(database, PROBE_EVERY)  # the probe was lost with its message, and so was its lease
    assert claimed(claim(database)) == 1


def test_a_paused_account_stops_no_other(database: Database) -> None:
    track(database, 1)
    record(database, hold(database), CheckFailure(FailureKind.UNAUTHORIZED, "the key is unknown"))
    track(database, request(2, account="studio"))
    make_due(database)
    assert [batch.account for batch in claim(database)] == ["studio"]


def test_one_good_answer_ends_a_pause(database: Database) -> None:
    track(database, *range(10))
    record(database, hold(database), CheckFailure(FailureKind.UNAUTHORIZED, "the key is unknown"))
    make_due(database)
    pass_time(database, PROBE_EVERY)
    record(database, hold(database), seen("rendering"))
    assert of(stored(database, Account), "paused_until", "pause_reason") == [(None, None)]
    assert claimed(claim(database)) == 9


def test_the_pause_that_a_429_asked_for_ends_by_itself_at_a_lower_rate(database: Database) -> None:
    track(database, *range(10))
    record(database, hold(database), CheckFailure(FailureKind.RATE_LIMITED, "slow down", retry_after=120))
    make_due(database)
    pass_time(database, 119)
    assert claim(database) == []
    pass_time(database, 1)
    assert claimed(claim(database)) == 1
    assert stored(database, Account)[0]["rate_factor"] < 1
    assert claimed(claim(database)) == 9


def test_there_are_no_two_live_leases_on_a_project(database: Database) -> None:
    track(database, *range(20))
    fill(database)
    claim(database, Limits(rate=1, burst=14), batch_size=3)
    pass_time(database, LEASE / 2)
    claim(database, PLENTY, batch_size=4)
    pass_time(database, LEASE / 2)
    claim(database, PLENTY, batch_size=5)
    with database.read() as connection:
        now = clock(connection)
    held = [id_ for ids in live_leases(database, now).values() for id_ in ids]
    assert len(held) == len(set(held)) == 20


def test_what_somebody_is_writing_is_not_waited_for(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        track(database, 1, 2, 3)
        with database.write() as writer:
            writer.execute(update(TrackedProject).where(TrackedProject.project_id == name(1)).values(name="My video"))
            assert claimed(claim(database)) == 2


def test_what_is_due_and_not_claimed_can_be_written_meanwhile(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        track(database, 1, 2, 3)
        fill(database)
        with database.write() as claimer:
            claim_due(claimer, PLENTY, Durations(), lease_seconds=LEASE, batch_size=50, max_in_flight=1)
            (taken,) = claimer.scalars(select(TrackedProject.project_id).where(TrackedProject.lease_token.is_not(None)))
            with database.write() as writer:
                writer.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
                writer.execute(update(TrackedProject).where(TrackedProject.project_id != taken).values(name="My video"))


def test_a_dispatch_shows_what_it_has_keys_of_also_when_nothing_is_due(database: Database) -> None:
    track(database, request(1), request(2, account="studio"))
    change(database, next_check_at=datetime(2100, 1, 1, tzinfo=UTC))
    pass_time(database, 100)
    assert claim(database, with_key={"default"}) == []
    with database.read() as connection:
        rows = {
            row["name"]: (clock(connection) - row["refilled_at"]).total_seconds() for row in stored(database, Account)
        }
    assert rows["default"] < 60 < rows["studio"]


def test_projects_of_an_account_without_a_key_wait_until_there_is_one(database: Database) -> None:
    track(database, request(1), request(2, account="studio"))
    pass_time(database, 10)
    assert [batch.account for batch in claim(database, with_key={"default"})] == ["default"]
    assert claim(database, with_key={"default"}) == []
    assert [batch.account for batch in claim(database, with_key={"default", "studio"})] == ["studio"]
