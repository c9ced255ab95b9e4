"""The examples of the how-to pages do what the pages say."""

import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from magic_hour import Client  # type: ignore[import-untyped] # the SDK has no py.typed

from tests.store.world import answer, name, pass_time, request, seen, stored, track
from tests.support.blocks import Block, marked
from tests.support.processes import ROOT, Program, Programs, wait_for
from worker.client.testing import RunningRenderwatch, running_renderwatch
from worker.domain.projects.example_events import example_payload
from worker.store.engine import Database
from worker.store.models import Event
from worker.store.projects.operator_actions import recheck

ROUTES = {"*": ["celery:shop.on_event?queue=shop"], "project.settled": ["celery:billing.on_settled?queue=billing"]}


@pytest.fixture(scope="module")
def renderwatch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRenderwatch]:
    folder = tmp_path_factory.mktemp("renderwatch")
    with running_renderwatch(folder, {"RENDERWATCH_ROUTES": json.dumps(ROUTES)}) as running:
        yield running


@pytest.fixture
def variables(renderwatch: RunningRenderwatch, tmp_path: Path) -> dict[str, str]:
    """What the examples' programs need to know."""
    return {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'examples'}",
        "CELERY_BROKER_URL": renderwatch.broker_url,
        "RENDERWATCH_URL": renderwatch.url,
        "RENDERWATCH_TOKEN": renderwatch.token,
        "MAGIC_HOUR_API_KEY": "any",
        "MAGIC_HOUR_BASE_URL": renderwatch.simulator.url,
        "SHOP_DATABASE": str(tmp_path / "shop.db"),
        "BILLING_DATABASE": str(tmp_path / "billing.db"),
    }


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as started:
        yield started


@pytest.mark.parametrize("block", marked("run: shell"), ids=str)
def test_a_shell_block_of_a_page_runs(
    block: Block, renderwatch: RunningRenderwatch, variables: dict[str, str], tmp_path: Path
) -> None:
    (project,) = renderwatch.simulator.create(1, "/v1/text-to-video")
    renderwatch.client.track(project.id, kind="video")
    text = block.text.replace("http://127.0.0.1:8321", renderwatch.url).replace("curl ", "curl --fail --silent ")
    text = text.replace("tokens create ", f"tokens create {project.id}-")  # a name can be used once
    text = re.sub(r"cmb1xk2v80000l70|(?<!\$)\bID\b", project.id, text)
    variables |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": renderwatch.database_url,
        "RENDERWATCH_ROUTES": json.dumps(ROUTES),
        "TOKEN": renderwatch.token,
        "ID": project.id,
    }
    del variables["PYTHONPATH"]
    command = ["bash", "-eu", "-o", "pipefail", "-c", text]
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def rows(file: str, query: str) -> list[Any]:
    with sqlite3.connect(file) as db:
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:  # no table yet
            return []


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / f"examples/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_consumer_and_billing_follow_a_render_to_its_final_price(
    renderwatch: RunningRenderwatch, variables: dict[str, str], programs: Programs
) -> None:
    programs.worker(variables, "shop", app="consumer", options="-c 1 -l INFO")
    programs.worker(variables, "billing", app="billing", options="-c 1 -l INFO")
    with httpx.Client(trust_env=False) as http:
        sdk = Client(token="any", base_url=renderwatch.simulator.url, httpx_client=http)  # noqa: S106  any will do
        created = sdk.v1.text_to_video.create(end_seconds=5, style={"prompt": "a dog"})
    renderwatch.client.track(created, metadata={"customer": "c-42"})
    project = renderwatch.client.wait("video", created.id, until="settled", timeout=120)
    key = f"video/{created.id}"
    # The blocks of the pages have tracked other projects.
    charges = f"SELECT project, customer, credits FROM charges WHERE project = '{key}'"
    wait_for(lambda: rows(variables["BILLING_DATABASE"], charges), 60, "the bill")
    assert rows(variables["BILLING_DATABASE"], charges) == [(key, "c-42", project.credits_charged)]
    renders = f"SELECT project, status, file FROM renders WHERE project = '{key}'"
    wait_for(lambda: (rows(variables["SHOP_DATABASE"], renders) or [(0, 0, 0)])[0][1] == "complete", 60, "the render")
    assert rows(variables["SHOP_DATABASE"], renders)[0][2].startswith("http")


def test_the_client_page_renders_and_waits(variables: dict[str, str], tmp_path: Path) -> None:
    program = Program("client", ["-m", "client", "4711"], variables, tmp_path)
    assert program.ends(120) == 0, program.log
    assert program.log.startswith("complete ")


def test_a_consumer_takes_each_event_once_and_keeps_the_latest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    consumer = example("consumer")
    taken: list[str] = []
    take = consumer.take

    def counted(db: sqlite3.Connection, event: dict[str, Any]) -> None:
        taken.append(event["id"])
        take(db, event)

    monkeypatch.setattr(consumer, "take", counted)
    late, early = (example_payload(kind, kind) for kind in ("project.completed", "project.started"))
    for event in (late, early, late, early, late | {"id": "3", "example": True}):
        consumer.on_event(event)
    assert taken == [late["id"], early["id"]]
    assert rows(str(tmp_path / "shop.db"), "SELECT count(*) FROM taken") == [(2,)]
    assert rows(str(tmp_path / "shop.db"), "SELECT sequence, status FROM renders") == [(2, "complete")]

    def fail(*_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(consumer, "take", fail)
    with pytest.raises(ValueError, match="no room"):
        consumer.on_event.run(early | {"id": "4"})
    # What failed has not been taken: its next delivery is.
    assert rows(str(tmp_path / "shop.db"), "SELECT count(*) FROM taken") == [(2,)]


def test_the_first_task_takes_no_example_for_an_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    studio = example("studio")
    event = example_payload("project.completed", "1", metadata={"order": 7})
    studio.on_render(event)
    studio.on_render(event | {"example": True})
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("credits, order 7")
    assert second == "an example of project.completed has arrived"


def test_a_bill_is_corrected_by_a_refund_that_comes_after_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    monkeypatch.setenv("BILLING_DATABASE", str(tmp_path / "billing.db"))
    billing = example("billing")
    store = Database(sqlite_url)
    track(store, request(1, credits_charged=450, metadata={"customer": "c-42"}))
    answer(store, seen("error", 450))
    pass_time(store, 5 * 86400)
    answer(store, seen("error", 450))  # settled
    with store.write() as connection:
        recheck(connection, "video", [name(1)], "somebody", None)
    answer(store, seen("error", 0))
    pass_time(store, 5 * 86400)
    answer(store, seen("error", 0))  # settled again
    events = [event["payload"] for event in stored(store, Event) if event["type"] == "project.settled"]
    store.close()
    assert [event["credits_after"] for event in events] == [450, 0]
    first, second = events
    for event in (first, first, second, second, first):
        billing.on_settled(event)
    charges = rows(str(tmp_path / "billing.db"), "SELECT customer, credits FROM charges ORDER BY sequence")
    assert charges == [("c-42", 450), ("c-42", -450)]
    # The second one overtakes the first: one charge, at the final price.
    monkeypatch.setenv("BILLING_DATABASE", str(tmp_path / "other.db"))
    for event in (second, first):
        billing.on_settled(event)
    assert rows(str(tmp_path / "other.db"), "SELECT credits FROM charges") == [(0,)]


def test_refunds_that_do_not_come_are_reported(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Database(postgres_url)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    refund_alert = example("refund_alert")
    assert refund_alert.main(24) == 0
    track(store, 1, 2)
    answer(store, seen("error", 450))
    assert refund_alert.main(24) == 0
    pass_time(store, 2 * 86400)
    assert refund_alert.main(24) == 1
    assert "account default: 900 credits of 2 projects are outstanding" in capsys.readouterr().out
    store.close()


def test_the_fixture_works_in_a_project_of_its_own(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/integration_test.py", tmp_path / "test_integration.py")
    # Without our own plugins and options, as in somebody else's project.
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
