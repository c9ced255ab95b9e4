from sqlalchemy import update

from tests.cli.conftest import Run
from tests.store.world import answer, request, seen, stored, track
from worker.store.engine import Database
from worker.store.models import Delivery, OperatorAction


def states(store: Database) -> list[str]:
    return [row["state"] for row in stored(store, Delivery)]


def kill_all(store: Database) -> None:
    track(store, request(1))
    answer(store, seen("complete", 300))
    with store.write() as connection:
        connection.execute(update(Delivery).values(state="dead", attempts=14, last_error="refused"))


def test_one_delivery_is_sent_again_and_it_is_noted(run: Run, store: Database) -> None:
    kill_all(store)
    said = run("replay", "1", "--reason", "the queue is back")
    assert (said.code, said.out) == (0, "1 delivery will be sent again in the next sweep\n")
    assert states(store).count("pending") == 1
    assert stored(store, OperatorAction)[-1]["reason"] == "the queue is back"


def test_all_dead_ones_of_a_destination_are_sent_again(run: Run, store: Database) -> None:
    kill_all(store)
    assert run("replay", "--dead", "--destination", "celery:nobody.there").out.startswith("0 deliveries")
    assert run("replay", "--dead").code == 0
    assert set(states(store)) == {"pending"}


def test_what_cannot_be_meant_is_refused(run: Run, store: Database) -> None:
    kill_all(store)
    for arguments in ((), ("1", "--dead"), ("1", "--destination", "celery:x")):
        assert run("replay", *arguments).code == 2
    assert "there is no delivery 999" in run("replay", "999").err
    assert set(states(store)) == {"dead"}
