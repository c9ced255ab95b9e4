import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.celery.world import hand_over
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker
from worker.domain.log_events import event
from worker.json_logs import JsonFormatter, wants_json

RENDERWATCH = ("-P", "-c", "from worker.cli.main import main; main(prog_name='renderwatch')")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as running:
        yield running


def test_a_line_is_bounded_and_has_the_error_and_the_context() -> None:
    try:
        raise ValueError("secret\nnewline " + "y" * 100_000)  # noqa: TRY301  to have a traceback
    except ValueError:
        record = logging.LogRecord("renderwatch.x", logging.ERROR, "", 1, "%s", ("x" * 100_000,), sys.exc_info())
    text = JsonFormatter(lambda: {"task": "renderwatch.check"}).format(record)
    assert "\n" not in text
    assert len(text) < 16 * 1024
    line = json.loads(text)
    assert (line["level"], line["logger"], line["task"]) == ("ERROR", "renderwatch.x", "renderwatch.check")
    assert line["message"].endswith("(100000 characters)")
    assert line["time"].endswith("+00:00")


def test_an_event_has_its_name_and_bounded_fields() -> None:
    record = logging.LogRecord("renderwatch.x", logging.INFO, "", 1, "a message", (), None)
    long = ["x" * 1000] * 1000
    vars(record).update(event("check_failed", account="studio", count=3, projects=long, failure="y" * 1000, batch=None))
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["message"], line["account"], line["count"]) == (
        "check_failed",
        "a message",
        "studio",
        3,
    )
    assert len(line["projects"]) == 10
    assert len(json.dumps(line)) < 3000
    assert "batch" not in line


def test_a_terminal_gets_text_and_everything_else_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for at_terminal in (True, False):
        monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: at_terminal))  # noqa: B023  called in the loop
        assert wants_json("auto") is not at_terminal
        assert wants_json("json")
        assert not wants_json("text")


def test_worker_beat_and_web_write_json(sqlite_url: str, redis_service: Broker, programs: Programs) -> None:
    variables = environment(sqlite_url, redis_service, "http://127.0.0.1:1", log_format="auto", web_port=0)
    beat = programs.start("beat", [*RENDERWATCH, "beat"], variables)
    web = programs.start("web", ["-m", "worker.web"], variables)
    web.says("HTTP API and dashboard")
    worker = programs.start("worker", [*RENDERWATCH, "worker", "--concurrency", "1"], variables)
    worker.says(" ready.")
    hand_over(redis_service, {"kind": "nothing"}, {"kind": "video", "project_id": "cmb1xk2v80000l70"})
    wait_for(lambda: "rejected" in worker.log, 30, "the worker has logged")
    wait_for(lambda: lines(beat), 30, "beat has logged")
    for program in (beat, web, worker):
        assert {"time", "level", "logger", "message", "process"} <= lines(program)[0].keys()
    wait_for(lambda: any(line.get("task") for line in lines(worker)), 60, "a task has logged")
    assert all(line["task_id"] for line in lines(worker) if line.get("task"))
    ours = [
        line
        for line in [*lines(worker), *lines(beat), *lines(web)]
        if line["logger"].startswith(("renderwatch", "worker"))
    ]
    assert [line for line in ours if "event" not in line] == []
    assert {"process_started", "requests_tracked", "request_rejected"} <= {line["event"] for line in ours}


def lines(program: Program) -> list[dict[str, str]]:
    return [json.loads(line) for line in program.log.splitlines() if line.startswith("{")]
