"""Each destination has its circuit, its limit and perhaps its order: what one does concerns no other."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tests.store.deliveries.claiming import DAY, HOLD, claim, failed, sent
from tests.store.world import hold, of, pass_time, record, seen, stored, track
from worker.domain.deliveries.circuit import OPENS_AT
from worker.domain.deliveries.confirmation import Confirmation, Outcome
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.failure import DeliveryError
from worker.domain.deliveries.terms import Terms
from worker.store.deliveries.confirmations import Confirmed, store_confirmations
from worker.store.deliveries.destinations import due_destinations, give_up_waiting, unattended_since
from worker.store.deliveries.outcomes import judge_destination
from worker.store.deliveries.queries import read_delivery, replay
from worker.store.engine import Database
from worker.store.models import Delivery, Destination

ONE = "celery:one.task"
OTHER = "celery:other.task"
CONFIRMED = Terms(confirm=60)
ORDERED = Terms(ordered=True)


@pytest.fixture
def published(database: Database) -> Database:
    """Ten projects, with two events each for one destination: completed, and its price."""
    publish(database, range(10), ONE)
    return database


def publish(database: Database, projects: range, *destinations: str) -> None:
    track(database, *projects)
    record(database, hold(database), seen("complete", 300), {"*": list(destinations)})


def judge(database: Database, *, failures: int = 0, succeeded: bool = False, name: str = ONE) -> None:
    with database.write() as connection:
        errors = [OSError("no answer")] * failures
        judge_destination(connection, name, succeeded=succeeded, failures=errors, jitter=1.0)


def due(database: Database) -> list[str]:
    with database.read() as connection:
        return due_destinations(connection)


def confirm(
    database: Database, delivery: DueDelivery, outcome: Outcome, *, token: str | None = None, attempt: int | None = None
) -> Confirmed:
    word = Confirmation(delivery.id, attempt or delivery.attempts, token or delivery.confirm_token or "", outcome)
    with database.write() as connection:
        return store_confirmations(connection, [word], give_up_after=DAY, jitter=lambda: 1.0)


def test_a_destination_that_fails_gets_one_attempt_at_a_time_until_one_succeeds(published: Database) -> None:
    judge(published, failures=OPENS_AT)
    assert (due(published), claim(published)) == ([], [])
    pass_time(published, 60)
    assert due(published) == [ONE]
    assert len(claim(published)) == 1
    assert claim(published) == []
    judge(published, succeeded=True)
    assert len(claim(published)) == 19


def test_a_replay_gets_one_attempt_at_once_at_a_destination_that_is_held_off(published: Database) -> None:
    with published.write() as connection:
        judge_destination(
            connection, ONE, succeeded=False, failures=[DeliveryError("busy", retry_after=600)], jitter=1.0
        )
        number = connection.scalars(select(Delivery.id).order_by(Delivery.id)).first()
    assert claim(published) == []
    with published.write() as connection:
        row = read_delivery(connection, number or 0) or {}
        assert (row["held_until"] - row["created_at"] > timedelta(seconds=590), row["held_because"]) == (True, "busy")
        replay(connection, [number or 0], "tests", None)
    assert due(published) == [ONE]
    assert (len(claim(published)), len(claim(published))) == (1, 0)


def test_one_that_fails_holds_up_no_other(database: Database) -> None:
    publish(database, range(3), ONE, OTHER)
    judge(database, failures=OPENS_AT)
    assert due(database) == [OTHER]
    assert {each.destination for each in claim(database)} == {OTHER}


def test_a_paused_destination_gets_nothing(published: Database) -> None:
    with published.write() as connection:
        connection.execute(update(Destination).values(paused=True))
    assert (due(published), claim(published)) == ([], [])


def test_no_more_are_under_way_than_the_destination_bears(published: Database) -> None:
    terms = Terms(most_in_flight=8)
    first = claim(published, terms=terms)
    assert len(first) == 8
    assert claim(published, terms=terms) == []
    sent(published, first[:3], terms)
    assert len(claim(published, terms=terms)) == 3


def test_what_waits_for_its_confirmation_counts_as_under_way(published: Database) -> None:
    terms = Terms(confirm=60, most_in_flight=8)
    first = claim(published, terms=terms)
    sent(published, first, terms)
    assert claim(published, terms=terms) == []
    confirm(published, first[0], "succeeded")
    assert len(claim(published, terms=terms)) == 1


def test_in_order_a_projects_next_event_waits_for_the_one_before(published: Database) -> None:
    first = claim(published, terms=ORDERED)
    assert [each.payload["sequence"] for each in first] == [1] * 10
    assert claim(published, terms=ORDERED) == []
    sent(published, first[:4], ORDERED)
    failed(published, first[4:])
    second = claim(published, terms=ORDERED)
    assert [each.payload["sequence"] for each in second] == [2] * 4
    assert {each.payload["project_id"] for each in second} == {each.payload["project_id"] for each in first[:4]}


def test_in_order_a_dead_event_steps_aside(published: Database) -> None:
    failed(published, claim(published, terms=ORDERED), give_up_after=0)
    assert [each.payload["sequence"] for each in claim(published, terms=ORDERED)] == [2] * 10


def test_in_order_sent_is_not_enough_where_a_confirmation_is_wanted(published: Database) -> None:
    terms = Terms(confirm=60, ordered=True)
    first = claim(published, terms=terms)
    sent(published, first, terms)
    assert claim(published, terms=terms) == []
    confirm(published, first[0], "succeeded")
    assert [each.payload["project_id"] for each in claim(published, terms=terms)] == [first[0].payload["project_id"]]


def test_lost_confirmations_are_sent_again_all_at_once_where_others_have_come(published: Database) -> None:
    claimed = claim(published, terms=CONFIRMED)
    sent(published, claimed, CONFIRMED)
    confirm(published, claimed[0], "succeeded")
    pass_time(published, 61)
    assert len(claim(published, terms=CONFIRMED)) == 19


def test_where_no_confirmation_comes_at_all_one_is_sent_again_at_a_time(published: Database) -> None:
    sent(published, claim(published, terms=CONFIRMED), CONFIRMED)
    pass_time(published, 61)
    (probe,) = claim(published, terms=CONFIRMED)
    assert claim(published, terms=CONFIRMED) == []
    confirm(published, probe, "succeeded")
    assert len(claim(published, terms=CONFIRMED)) == 19


def test_a_task_that_fails_shows_that_somebody_is_there(published: Database) -> None:
    sent(published, claim(published, terms=CONFIRMED), CONFIRMED)
    pass_time(published, 61)
    (probe,) = claim(published, terms=CONFIRMED)
    assert confirm(published, probe, "failed").failed == 1
    assert len(claim(published, terms=CONFIRMED)) == 19


def test_forged_late_and_repeated_confirmations_change_nothing(published: Database) -> None:
    one, other = claim(published, terms=CONFIRMED, limit=2)
    sent(published, [one, other], CONFIRMED)
    assert confirm(published, one, "succeeded", token=other.confirm_token).rejected == 1
    assert confirm(published, one, "failed", attempt=one.attempts + 1).repeated == 1
    assert confirm(published, one, "succeeded").confirmed == 1
    before = stored(published, Delivery)
    assert confirm(published, one, "succeeded").repeated == 1
    assert confirm(published, one, "failed").repeated == 1
    assert stored(published, Delivery) == before


def test_an_old_confirmation_does_not_end_a_replay(published: Database) -> None:
    (one,) = claim(published, terms=CONFIRMED, limit=1)
    sent(published, [one], CONFIRMED)
    with published.write() as connection:
        replay(connection, [one.id], "tests", None)
    assert confirm(published, one, "succeeded").rejected == 1


def test_a_consumer_may_be_faster_than_our_note_that_it_was_called(published: Database) -> None:
    (one,) = claim(published, terms=CONFIRMED, limit=1)
    confirm(published, one, "succeeded")
    sent(published, [one], CONFIRMED)
    failed(published, [one])
    assert min(of(stored(published, Delivery), "state")) == "confirmed"


def test_what_waits_a_day_for_a_destination_that_fails_is_given_up_untried(published: Database) -> None:
    judge(published, failures=OPENS_AT)
    publish(published, range(10, 11), OTHER)
    with published.write() as connection:
        assert give_up_waiting(connection, DAY) == 0
    pass_time(published, DAY)
    with published.write() as connection:
        assert give_up_waiting(connection, DAY) == 20
    states = {(row["destination"], row["state"]) for row in stored(published, Delivery)}
    assert states == {(ONE, "dead"), (OTHER, "pending")}


def test_only_what_nobody_looked_for_is_unattended(published: Database) -> None:
    def unattended() -> bool:
        with published.read() as connection:
            return unattended_since(connection) is not None

    assert unattended()
    judge(published, failures=OPENS_AT)
    assert not unattended()
    judge(published, succeeded=True)
    claim(published)
    assert not unattended()
    pass_time(published, HOLD)
    assert unattended()
