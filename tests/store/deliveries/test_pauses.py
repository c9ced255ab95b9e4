"""While an operator pauses a destination its events wait, and none is given up."""

import pytest
from sqlalchemy import update

from tests.store.deliveries.claiming import DAY, claim, failed, sent
from tests.store.deliveries.test_destinations import CONFIRMED, ONE, OTHER, confirm, due, judge, publish
from tests.store.world import of, pass_time, stored
from worker.domain.deliveries.circuit import OPENS_AT
from worker.store.deliveries.destination_names import find_destination
from worker.store.deliveries.destination_report import read_destinations
from worker.store.deliveries.destinations import give_up_waiting, unattended_since
from worker.store.deliveries.pauses import pause_destination, resume_destination
from worker.store.engine import Database
from worker.store.models import Delivery, Destination, OperatorAction

URL = "https://hooks.example/services/T000/SECRET"


@pytest.fixture
def published(database: Database) -> Database:
    publish(database, range(3), ONE, OTHER)
    return database


def pause(database: Database, name: str = ONE) -> bool:
    with database.write() as connection:
        return pause_destination(connection, name, "ann", "their database is being moved")


def resume(database: Database, name: str = ONE) -> bool:
    with database.write() as connection:
        return resume_destination(connection, name, "bob", None)


def give_up(database: Database) -> int:
    with database.write() as connection:
        return give_up_waiting(connection, DAY)


def test_a_paused_destination_gets_nothing_and_the_others_do(published: Database) -> None:
    assert pause(published)
    pass_time(published, 600)
    assert due(published) == [OTHER]
    sent(published, claim(published))
    assert of(stored(published, Delivery), "destination", "state") == [(ONE, "pending"), (OTHER, "sent")] * 6
    with published.read() as connection:
        assert unattended_since(connection) is None
    assert resume(published)
    assert len(claim(published)) == 6


def test_who_did_it_and_why_is_recorded_once(published: Database) -> None:
    assert [pause(published), pause(published)] == [True, False]
    row = next(each for each in stored(published, Destination) if each["name"] == ONE)
    assert (row["paused_by"], row["pause_reason"]) == ("ann", "their database is being moved")
    assert [resume(published), resume(published)] == [True, False]
    assert of(stored(published, OperatorAction), "actor", "action", "reason") == [
        ("ann", "pause destination", f"{ONE}: their database is being moved"),
        ("bob", "resume destination", ONE),
    ]
    row = next(each for each in stored(published, Destination) if each["name"] == ONE)
    assert (row["paused"], row["paused_at"], row["paused_by"], row["pause_reason"]) == (False, None, None, None)


def test_a_pause_longer_than_a_day_makes_no_delivery_dead(published: Database) -> None:
    failed(published, claim(published))
    judge(published, failures=OPENS_AT)
    pause(published)
    pass_time(published, 3 * DAY)
    assert give_up(published) == 0
    resume(published)
    assert give_up(published) == 0
    (probe,) = (each for each in claim(published) if each.destination == ONE)
    failed(published, [probe])
    assert set(of(stored(published, Delivery), "state")) == {"pending"}
    pass_time(published, 2 * DAY)
    assert give_up(published) > 0


def test_confirmations_count_during_a_pause_and_their_time_runs_out_after_it(published: Database) -> None:
    claimed = [each for each in claim(published, terms=CONFIRMED) if each.destination == ONE]
    sent(published, claimed, CONFIRMED)
    pause(published)
    pass_time(published, 2 * DAY)
    confirm(published, claimed[0], "succeeded")
    confirm(published, claimed[1], "failed")
    resume(published)
    again = [each.id for each in claim(published, terms=CONFIRMED) if each.destination == ONE]
    states = {row["id"]: row["state"] for row in stored(published, Delivery) if row["destination"] == ONE}
    assert states[claimed[0].id] == "confirmed"
    assert "dead" not in states.values()
    assert again


def test_a_destination_that_had_no_event_yet_can_be_paused(database: Database) -> None:
    assert pause(database)
    publish(database, range(1), ONE)
    assert claim(database) == []


def test_the_report_counts_what_was_delivered_and_what_waits(published: Database) -> None:
    claimed = [each for each in claim(published) if each.destination == ONE]
    sent(published, claimed[:3])
    failed(published, claimed[3:4])
    with published.read() as connection:
        rows = {row["name"]: row for row in read_destinations(connection, ["celery:new.task"])}
    row = rows[ONE]
    assert (row["success_rate"], row["sent"], row["pending"], row["waiting"]) == (0.75, 3, 3, 3)
    assert row["oldest_waiting_at"] == min(each["created_at"] for each in stored(published, Delivery))
    assert rows["celery:new.task"]["success_rate"] is None
    with published.write() as connection:
        connection.execute(
            update(Destination).where(Destination.name == OTHER).values(attempted_at=row["oldest_waiting_at"])
        )
    with published.read() as connection:
        assert of(read_destinations(connection), "name") == [OTHER, ONE]
    pause(published, ONE)
    with published.read() as connection:
        assert of(read_destinations(connection), "name") == [ONE, OTHER]


def test_a_destination_is_found_by_its_name_another_spelling_and_its_shown_form(database: Database) -> None:
    publish(database, range(1), URL, URL + "2")
    with database.read() as connection:
        shown = {row["shown"]: row["name"] for row in read_destinations(connection)}
        assert {text: find_destination(connection, text) for text in shown} == shown
        assert find_destination(connection, "HTTPS://Hooks.example:443/services/T000/SECRET") == URL
        for unknown in ("https://hooks.example/services/…00000000", "https://hooks.example/%", "no such", ""):
            assert find_destination(connection, unknown) is None
        assert find_destination(connection, "celery:new.task", ["celery:new.task"]) == "celery:new.task"
