import json

from tests.cli.conftest import Run
from tests.store.world import name, stored
from worker.store.engine import Database
from worker.store.intake.rejections import store_rejections
from worker.store.models import RejectedRequest, TrackedProject


def keep(store: Database, *requests: str) -> list[str]:
    """Keep these requests as rejected, and return their numbers."""
    with store.write() as connection:
        store_rejections(connection, [(request, "no sense") for request in requests])
    return [str(row["id"]) for row in stored(store, RejectedRequest)]


def item(number: int, kind: str = "video") -> str:
    return json.dumps({"kind": kind, "project_id": name(number)})


def test_they_are_listed_with_number_reason_and_request(run: Run, store: Database) -> None:
    (number,) = keep(store, "not json")
    out = run("rejected", "list").out
    assert all(word in out for word in (number, "no sense", "not json"))
    (row,) = run("rejected", "list", "--json").json
    assert (row["request"], row["is_cut"]) == ("not json", False)


def test_a_good_one_is_taken_in_again_and_leaves_the_list(run: Run, store: Database) -> None:
    one, body, many = keep(
        store, item(1), f"[[], {item(2)}, null]", json.dumps({"projects": [json.loads(item(3)), json.loads(item(4))]})
    )
    assert run("rejected", "retry", one, body, many).out == f"{one}: 1 tracked\n{body}: 1 tracked\n{many}: 2 tracked\n"
    assert (len(stored(store, TrackedProject)), stored(store, RejectedRequest)) == (4, [])


def test_a_wrong_one_stays_until_it_is_corrected(run: Run, store: Database) -> None:
    (number,) = keep(store, item(1, kind="film"))
    said = run("rejected", "retry", "--all")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"{number}: still rejected: kind is 'film'; it must be video, image or audio\n"
    assert run("rejected", "retry", number, "--request", item(1)).out == f"{number}: 1 tracked\n"
    assert stored(store, RejectedRequest) == []


def test_what_is_no_request_says_so(run: Run, store: Database) -> None:
    number, cut = keep(store, "not json", "x" * 100_000)
    said = run("rejected", "retry", number, cut, "99")
    assert said.code == 1
    assert "is not JSON" in said.err
    assert f"only a part of request {cut} was kept" in said.err
    assert "99: there is no rejected request with this number" in said.err


def test_they_are_cleared_one_by_one_or_all(run: Run, store: Database) -> None:
    first, *_ = keep(store, "1", "2", "3")
    assert run("rejected", "clear", first).out == "1 deleted\n"
    assert run("rejected", "clear").code == 2
    assert run("rejected", "clear", "--all").out == "2 deleted\n"
