"""Examples of events reach a consumer on a real broker, and leave no trace in the database."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.celery.world import received
from tests.support.event_schemas import check_payload
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.store.engine import Database
from worker.store.models import Base

RENDERED = "celery:orders.rendered?queue=orders"
COMMAND = ["-c", "from worker.cli.main import main; main()", "trigger"]


def test_an_example_reaches_its_consumer_and_is_stored_nowhere(
    sqlite_url: str, broker: Broker, programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "orders.jsonl"
    variables = environment(sqlite_url, broker, "http://127.0.0.1:9", routes={"project.completed": [RENDERED]})
    before = rows(sqlite_url)
    sent = programs.start("routed", [*COMMAND, "project.completed", "--json"], variables)
    assert sent.ends() == 0, sent.log
    named = [*COMMAND, "project.stalled", "--to", "celery:orders.asked_for?queue=orders", "--metadata", '{"order": 7}']
    assert programs.start("named", named, variables).ends() == 0
    programs.worker(variables | {"ORDERS_FILE": str(file)}, "orders", app="tests.celery.downstream")
    wait_for(lambda: len(received(file)) >= 2, 60, "both examples", lambda: received(file))  # each as its schema says
    calls = {call.task: call.event for call in received(file)}
    assert calls["rendered"] == json.loads(sent.log[sent.log.index("{") :])["event"]
    assert [event["example"] for event in calls.values()] == [True, True]
    assert {event["project_id"] for event in calls.values()} == {"example-not-a-project"}
    assert calls["asked_for"]["metadata"] == {"order": 7}
    assert rows(sqlite_url) == before


def test_a_payload_alone_is_printed_and_sent_nowhere(sqlite_url: str, programs: Programs) -> None:
    nobody = environment(sqlite_url, Broker("redis://127.0.0.1:1/0"), "http://127.0.0.1:9")
    for to in ([], ["--to", RENDERED]):
        arguments = [*COMMAND, "project.completed", "--print", "--metadata", '{"order": 7}', *to]
        program = programs.start(f"print{len(to)}", arguments, nobody)
        assert program.ends() == 0, program.log
        payload = json.loads(program.log[program.log.index("{") :])
        check_payload(payload)
        assert (payload["type"], payload["example"], payload["metadata"]) == ("project.completed", True, {"order": 7})


def rows(url: str) -> dict[str, int]:
    """Return how many rows each table has."""
    database = Database(url)
    with database.read() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }
    database.close()
    return counts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["project.completed"], "RENDERWATCH_ROUTES sends project.completed nowhere"),
        (["project.completed", "--to", "studio.on_render"], "is not a destination"),
        (["project.completed", "--to", RENDERED, "--metadata", "[]"], "metadata must be an object"),
        (["project.completed", "--to", RENDERED], "failed: "),  # no broker is there
        (["project.finished"], "project.completed"),
    ],
)
def test_an_example_that_cannot_be_sent_says_why(
    arguments: list[str], said: str, sqlite_url: str, programs: Programs
) -> None:
    nobody = environment(sqlite_url, Broker("redis://127.0.0.1:1/0"), "http://127.0.0.1:9")
    program = programs.start("trigger", [*COMMAND, *arguments], nobody)
    assert program.ends() in {1, 2}
    assert said in program.log
    assert "Traceback" not in program.log
