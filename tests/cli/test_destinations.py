import pytest

from tests.cli.conftest import Run
from tests.store.world import hold, record, request, seen, stored, track
from worker.store.engine import Database
from worker.store.models import Destination, OperatorAction

URL = "https://hooks.example/services/T000/SECRET"


@pytest.fixture
def published(store: Database) -> Database:
    track(store, request(1))
    record(store, hold(store), seen("complete", 300), {"*": [URL]})
    return store


def test_one_is_paused_and_resumed_with_a_reason_by_its_shown_form(run: Run, published: Database) -> None:
    listed = run("destinations", "list")
    assert "SECRET" not in listed.out
    shown = next(word for word in listed.out.split() if word.startswith("https://"))
    paused = run("destinations", "pause", shown, "--reason", "their deploy")
    assert (paused.code, "SECRET" in paused.out) == (0, False)
    assert "paused; its events wait" in paused.out
    assert "was paused already" in run("destinations", "pause", URL).out
    assert "their deploy" in run("destinations", "list").out
    (row,) = run("destinations", "list", "--json").json
    assert (row["name"], row["paused"], row["waiting"]) == (URL, True, 2)
    assert "what waits is sent" in run("destinations", "resume", URL).out
    assert "was not paused" in run("destinations", "resume", URL).out
    assert [row["action"] for row in stored(published, OperatorAction)] == ["pause destination", "resume destination"]


def test_one_that_does_not_exist_is_refused_and_no_row_is_made(run: Run, published: Database) -> None:
    refused = run("destinations", "pause", "celery:nobody.there")
    assert (refused.code, "renderwatch destinations list" in refused.err) == (1, True)
    assert len(stored(published, Destination)) == 1


def test_without_any_it_says_where_they_come_from(run: Run, store: Database) -> None:  # noqa: ARG001  an empty one
    assert "RENDERWATCH_ROUTES names none" in run("destinations", "list").out
