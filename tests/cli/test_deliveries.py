import pytest
from sqlalchemy import update

from tests.cli.conftest import Run
from tests.store.world import hold, record, request, seen, stored, track
from worker.store.engine import Database
from worker.store.models import Delivery, OperatorAction

ONE = "celery:one.task"
OTHER = "celery:other.task"


@pytest.fixture
def published(store: Database) -> Database:
    """Two projects, with two events each for one destination, all of them sent."""
    track(store, request(1), request(2))
    record(store, hold(store), seen("complete", 300), {"*": [ONE]})
    with store.write() as connection:
        connection.execute(update(Delivery).values(state="sent", sent_at=Delivery.created_at, attempts=1))
    return store


def states(store: Database, destination: str = ONE) -> list[str]:
    return [row["state"] for row in stored(store, Delivery) if row["destination"] == destination]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ((), 4),
        (("--type", "project.completed"), 2),
        (("--project", "project-000001"), 2),
        (("--project", "project-000001", "--type", "project.completed"), 1),
        (("--kind", "image"), 0),
        (("--state", "sent"), 4),
        (("--state", "dead"), 0),
        (("--destination", OTHER), 0),
        (("--since", "2020-01-01"), 4),
        (("--until", "2020-01-01T12:00"), 0),
        (("--limit", "3"), 3),
    ],
)
def test_deliveries_are_found_by_what_they_are(
    run: Run, published: Database, filters: tuple[str, ...], count: int
) -> None:
    found = run("deliveries", "list", "--json", *filters).json
    assert len(found) == count
    assert {row["id"] for row in found} <= {row["id"] for row in stored(published, Delivery)}


def test_what_matches_is_counted_and_sent_again_only_when_that_is_confirmed(run: Run, published: Database) -> None:
    before = {row["id"]: row["created_at"] for row in stored(published, Delivery)}
    refused = run("deliveries", "replay", "--type", "project.completed", input="n\n")
    assert "2 deliveries match. Send them again?" in refused.out + refused.err
    assert (refused.code, set(states(published))) == (1, {"sent"})
    said = run("deliveries", "replay", "--type", "project.completed", "--reason", "they asked", input="y\n")
    assert "2 deliveries will be sent again in the next sweep" in said.out
    assert sorted(states(published)) == ["pending", "pending", "sent", "sent"]
    assert {row["id"]: row["created_at"] for row in stored(published, Delivery)} == before
    assert stored(published, OperatorAction)[-1]["reason"] == "they asked"


def test_events_are_sent_to_another_destination_with_the_stored_times(run: Run, published: Database) -> None:
    for _ in range(2):  # the second time they are there already
        assert run("deliveries", "replay", "--state", "sent", "--to", OTHER, "--yes").code == 0
        assert (states(published), states(published, OTHER)) == (["sent"] * 4, ["pending"] * 4)
    times = {row["event_id"]: row["created_at"] for row in stored(published, Delivery) if row["destination"] == ONE}
    others = {row["event_id"]: row["created_at"] for row in stored(published, Delivery) if row["destination"] == OTHER}
    assert others == times


def test_all_of_them_need_a_filter_and_a_destination_that_exists(run: Run, published: Database) -> None:
    assert "say which deliveries" in run("deliveries", "replay", "--yes").err
    assert "is not a destination" in run("deliveries", "replay", "--state", "sent", "--to", "nowhere").err
    assert set(states(published)) == {"sent"}
