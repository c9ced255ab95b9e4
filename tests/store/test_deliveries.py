"""Deliveries: each is tried until it is sent or given up, and by one at a time."""

from collections.abc import Iterable

import pytest
from sqlalchemy import update

from tests.store.world import answer, of, pass_time, record, seen, stored, track
from tests.store.world import hold as hold_project
from worker.domain.observation import Problem as ApiProblem
from worker.domain.observation import Trouble
from worker.store.deliveries import DueDelivery, claim_deliveries, mark_failed, mark_sent
from worker.store.engine import Database
from worker.store.models import Delivery, Event

HOLD = 60.0
DAY = 86_400.0
ONE_ROUTE = {"*": ["celery:news.archive"]}


@pytest.fixture
def news(database: Database) -> Database:
    """A database with two projects, and two deliveries for each: completed, and its price."""
    track(database, 1, 2)
    record(database, hold_project(database), seen("complete", 300), ONE_ROUTE)
    return database


def claim(database: Database, limit: int = 100) -> list[DueDelivery]:
    with database.write() as connection:
        return claim_deliveries(connection, limit=limit, lease_seconds=HOLD)


def sent(database: Database, deliveries: Iterable[DueDelivery]) -> None:
    with database.write() as connection:
        mark_sent(connection, [delivery.id for delivery in deliveries])


def failed(
    database: Database, deliveries: Iterable[DueDelivery], error: str = "no answer", give_up_after: float = DAY
) -> int:
    with database.write() as connection:
        each = [(delivery, error) for delivery in deliveries]
        return mark_failed(connection, each, give_up_after=give_up_after, jitter=1.0)


def test_what_is_due_comes_with_its_event(news: Database) -> None:
    due = claim(news)
    events = {event["id"]: event for event in stored(news, Event)}
    assert [delivery.payload for delivery in due] == [events[delivery.event_id]["payload"] for delivery in due]
    assert {(delivery.destination, delivery.attempts) for delivery in due} == {("celery:news.archive", 1)}
    assert len(due) == 4


def test_what_was_sent_is_not_sent_again(news: Database) -> None:
    sent(news, claim(news))
    pass_time(news, DAY)
    assert claim(news) == []
    assert {(row["state"], row["sent_at"] is not None) for row in stored(news, Delivery)} == {("sent", True)}


def test_nobody_else_takes_what_is_claimed(news: Database) -> None:
    assert (len(claim(news, limit=3)), len(claim(news)), claim(news)) == (3, 1, [])


def test_what_was_abandoned_comes_due_again_and_counts_as_an_attempt(news: Database) -> None:
    claim(news)
    pass_time(news, HOLD - 1)
    assert claim(news) == []
    pass_time(news, 1)
    assert [delivery.attempts for delivery in claim(news)] == [2] * 4


def test_a_failure_waits_twice_as_long_each_time(news: Database) -> None:
    for gap in (2, 4, 8, 16):
        due = claim(news)
        assert len(due) == 4
        failed(news, due)
        pass_time(news, gap - 1)
        assert claim(news) == []
        pass_time(news, 1)


def test_the_reason_of_a_failure_is_kept_until_it_is_sent(news: Database) -> None:
    failed(news, claim(news), "OperationalError: " + "x" * 5000)
    errors = of(stored(news, Delivery), "last_error")
    assert {(error[:16], len(error)) for error in errors} == {("OperationalError", 1000)}
    pass_time(news, HOLD)
    sent(news, claim(news))
    assert set(of(stored(news, Delivery), "last_error")) == {None}


def test_what_fails_for_a_day_is_dead_and_says_why(news: Database) -> None:
    pass_time(news, DAY)
    assert failed(news, claim(news)) == 4
    pass_time(news, DAY)
    assert claim(news) == []
    assert set(of(stored(news, Delivery), "state", "last_error")) == {("dead", "no answer")}


def test_a_young_delivery_is_not_given_up(news: Database) -> None:
    pass_time(news, DAY - 60)
    assert failed(news, claim(news)) == 0
    assert set(of(stored(news, Delivery), "state")) == {"pending"}


def test_a_dead_delivery_that_is_replayed_is_sent(news: Database) -> None:
    failed(news, claim(news), give_up_after=0)
    with news.write() as connection:
        connection.execute(update(Delivery).values(state="pending", next_attempt_at=Delivery.created_at))
    sent(news, claim(news))
    assert set(of(stored(news, Delivery), "state")) == {"sent"}


def test_a_failure_that_comes_late_does_not_undo_what_was_sent(news: Database) -> None:
    late = claim(news)
    pass_time(news, HOLD)
    sent(news, claim(news))
    failed(news, late)
    assert set(of(stored(news, Delivery), "state")) == {"sent"}


def test_a_failure_that_comes_late_does_not_cut_short_a_newer_attempt(news: Database) -> None:
    late = claim(news)
    pass_time(news, HOLD)
    claim(news)
    failed(news, late)
    pass_time(news, HOLD - 1)
    assert claim(news) == []


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
    answer(database, Trouble(ApiProblem.NOT_FOUND, "none"))
    assert claim(database) == []
