"""Deliveries: each is tried until it is sent or given up, and by one at a time."""

import random

import pytest
from sqlalchemy import update

from tests.store.deliveries.claiming import DAY, HOLD, claim, failed, sent
from tests.store.world import answer, of, pass_time, record, seen, stored, track
from tests.store.world import hold as hold_project
from worker.domain.projects.observation import CheckFailure
from worker.domain.projects.observation import FailureKind as ApiProblem
from worker.store.deliveries.outcomes import mark_failed
from worker.store.deliveries.queries import replay
from worker.store.engine import Database
from worker.store.models import Delivery, Event

ONE_ROUTE = {"*": ["celery:news.archive"]}


@pytest.fixture
def published(database: Database) -> Database:
    """A database with two projects, and two deliveries for each: completed, and its price."""
    track(database, 1, 2)
    record(database, hold_project(database), seen("complete", 300), ONE_ROUTE)
    return database


def test_what_is_due_comes_with_its_event(published: Database) -> None:
    due = claim(published)
    events = {event["id"]: event for event in stored(published, Event)}
    assert [delivery.payload for delivery in due] == [events[delivery.event_id]["payload"] for delivery in due]
    assert {(delivery.destination, delivery.attempts) for delivery in due} == {("celery:news.archive", 1)}
    assert len(due) == 4


def test_what_was_sent_is_not_sent_again(published: Database) -> None:
    sent(published, claim(published))
    pass_time(published, DAY)
    assert claim(published) == []
    assert {(row["state"], row["sent_at"] is not None) for row in stored(published, Delivery)} == {("sent", True)}


def test_nobody_else_takes_what_is_claimed(published: Database) -> None:
    assert (len(claim(published, limit=3)), len(claim(published)), claim(published)) == (3, 1, [])


def test_what_was_abandoned_comes_due_again_and_counts_as_an_attempt(published: Database) -> None:
    claim(published)
    pass_time(published, HOLD - 1)
    assert claim(published) == []
    pass_time(published, 1)
    assert [delivery.attempts for delivery in claim(published)] == [2] * 4


def test_a_failure_waits_twice_as_long_each_time(published: Database) -> None:
    for gap in (2, 4, 8, 16):
        due = claim(published)
        assert len(due) == 4
        failed(published, due)
        pass_time(published, gap - 1)
        assert claim(published) == []
        pass_time(published, 1)


def test_the_reason_of_a_failure_is_kept_until_it_is_sent(published: Database) -> None:
    failed(published, claim(published), "x" * 5000)
    errors = of(stored(published, Delivery), "last_error")
    assert {(error[:8], len(error)) for error in errors} == {("OSError:", 1000)}
    pass_time(published, HOLD)
    sent(published, claim(published))
    assert set(of(stored(published, Delivery), "last_error")) == {None}


def test_what_fails_for_a_day_is_dead_and_says_why(published: Database) -> None:
    assert failed(published, claim(published)) == 0
    pass_time(published, DAY)
    assert failed(published, claim(published)) == 4
    pass_time(published, DAY)
    assert claim(published) == []
    assert set(of(stored(published, Delivery), "state", "last_error")) == {("dead", "OSError: no answer")}


def test_a_delivery_is_not_given_up_within_a_day_of_its_first_attempt(published: Database) -> None:
    failed(published, claim(published))
    pass_time(published, DAY - 60)
    assert failed(published, claim(published)) == 0
    assert set(of(stored(published, Delivery), "state")) == {"pending"}


def test_what_waited_for_workers_for_a_day_is_not_dead_on_its_first_failure(published: Database) -> None:
    pass_time(published, DAY + 3600)
    assert failed(published, claim(published)) == 0
    assert set(of(stored(published, Delivery), "state")) == {"pending"}


def test_only_what_became_dead_is_counted_as_dead(published: Database) -> None:
    failed(published, claim(published))
    pass_time(published, DAY)
    stale = claim(published)
    pass_time(published, HOLD)
    sent(published, claim(published)[:3])
    assert failed(published, stale) == 0


def test_failures_of_one_batch_are_spread(published: Database) -> None:
    due = claim(published)
    with published.write() as connection:
        mark_failed(connection, [(each, OSError("no answer")) for each in due], give_up_after=DAY, jitter=random.random)
    assert len(set(of(stored(published, Delivery), "next_attempt_at"))) == len(due)


def test_an_error_that_cannot_be_stored_keeps_no_other_delivery(published: Database) -> None:
    failed(published, claim(published), "bad\x00 \ud800 answer")
    assert {each.replace("?", "\ufffd") for each in of(stored(published, Delivery), "last_error")} == {
        "OSError: bad\ufffd \ufffd answer"
    }


def test_a_replay_keeps_when_the_event_was_recorded_and_gets_its_day(published: Database) -> None:
    failed(published, claim(published))
    pass_time(published, DAY)
    failed(published, claim(published))
    recorded = of(stored(published, Delivery), "created_at")
    with published.write() as connection:
        replay(connection, None, "tests", None)
    assert of(stored(published, Delivery), "created_at") == recorded
    assert failed(published, claim(published)) == 0


def test_a_dead_delivery_that_is_replayed_is_sent(published: Database) -> None:
    failed(published, claim(published), give_up_after=0)
    with published.write() as connection:
        connection.execute(update(Delivery).values(state="pending", next_attempt_at=Delivery.created_at))
    sent(published, claim(published))
    assert set(of(stored(published, Delivery), "state")) == {"sent"}


def test_a_failure_that_comes_late_does_not_undo_what_was_sent(published: Database) -> None:
    late = claim(published)
    pass_time(published, HOLD)
    sent(published, claim(published))
    failed(published, late)
    assert set(of(stored(published, Delivery), "state")) == {"sent"}


def test_a_failure_that_comes_late_does_not_cut_short_a_newer_attempt(published: Database) -> None:
    late = claim(published)
    pass_time(published, HOLD)
    claim(published)
    failed(published, late)
    pass_time(published, HOLD - 1)
    assert claim(published) == []


def test_the_oldest_is_taken_first(database: Database) -> None:
    for number in (1, 2, 3):
        track(database, number)
        record(database, hold_project(database), seen("rendering"), ONE_ROUTE)
        pass_time(database, 10)
        with database.write() as connection:
            connection.execute(update(Delivery).where(Delivery.state == "dead").values(state="pending"))
    order = [row["event_id"] for row in sorted(stored(database, Delivery), key=lambda row: row["created_at"])]
    assert [delivery.event_id for delivery in claim(database, limit=2)] == order[:2]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_news_of_one_project_comes_in_order(database: Database, limit: int) -> None:
    track(database, *range(6))
    record(database, hold_project(database), seen("complete", 300), ONE_ROUTE)
    seen_so_far: dict[str, int] = {}
    while due := claim(database, limit):
        for delivery in due:
            payload = delivery.payload
            assert payload["sequence"] == seen_so_far.get(payload["project_id"], 0) + 1
            seen_so_far[payload["project_id"]] = payload["sequence"]
        sent(database, due)
    assert set(seen_so_far.values()) == {2}


def test_nothing_to_mark_is_nothing_done(database: Database) -> None:
    sent(database, [])
    assert failed(database, []) == 0
    track(database, 1)
    answer(database, CheckFailure(ApiProblem.NOT_FOUND, "none"))
    assert claim(database) == []
