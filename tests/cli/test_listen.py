import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.store import world
from tests.store.world import name, seen, track
from tests.support.event_schemas import check_payload
from tests.support.processes import Program, wait_for
from tests.web.conftest import Served, answer_all, served, token_for
from worker.store.engine import Database
from worker.store.models import Event


@pytest.fixture
def web(store: Database) -> Iterator[Served]:
    with served(store) as running:
        yield running


def listening(web: Served, folder: Path, *options: str) -> Program:
    """Start the command, and wait until it is connected."""
    variables = {"RENDERWATCH_URL": web.url, "RENDERWATCH_TOKEN": token_for(web.database, "read")}
    command = ["-c", "from worker.cli.main import main; main()", "listen", *options]
    program = Program("listen", command, variables, folder)
    is_listened_to(web, program)
    return program


def is_listened_to(web: Served, program: Program) -> None:
    wait_for(
        lambda: web.state.broadcaster.streams.count or program.process.poll(), 60, "connected", lambda: program.log
    )


def test_events_are_printed_as_they_come_also_after_web_has_restarted(store: Database, tmp_path: Path) -> None:
    track(store, 1)
    with served(store) as web:
        program = listening(web, tmp_path)
        answer_all(store, seen("rendering", 450))
        program.says(f"project.started           video {name(1)}  450 credits")
        port = int(web.url.rpartition(":")[2])
    answer_all(store, seen("complete", 360))
    with served(store, port=port) as web:
        is_listened_to(web, program)
        program.says(f"project.completed         video {name(1)}  360 credits (450 before)")
    program.stop()


def test_events_as_json_are_what_destinations_receive(web: Served, tmp_path: Path) -> None:
    program = listening(web, tmp_path, "--json", "--type", "project.started")
    track(web.database, 1)
    answer_all(web.database, seen("rendering", 450))
    program.says('"type": "project.started"')
    program.stop()
    [line] = [line for line in program.log.splitlines() if line.startswith("{")]
    check_payload(json.loads(line))
    [stored] = [each for each in world.stored(web.database, Event) if each["type"] == "project.started"]
    assert json.loads(line) == stored["payload"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "renderwatch tokens create"),
        ({"RENDERWATCH_TOKEN": "rw_" + "x" * 43}, "token"),
        ({"RENDERWATCH_TOKEN": "rw_any", "RENDERWATCH_URL": "127.0.0.1:8321"}, "https://renderwatch.example.com"),
    ],
)
def test_what_is_missing_is_said(run: Run, web: Served, variables: dict[str, str], said: str) -> None:
    answer = run("listen", **({"RENDERWATCH_URL": web.url} | variables))
    assert answer.code == 1
    assert said in answer.err
