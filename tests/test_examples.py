"""The first examples work together: a service sends an id, and its task receives the completion."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Programs, environment, wait_for
from tests.support.services import Broker
from worker.cli.commands import COMMANDS
from worker.embedded.broker import embedded_broker
from worker.simulator import SimulatorOptions, running_simulator

RECEIVING = (ROOT / "docs/receiving.md").read_text(encoding="utf-8")
PAGES = {page: page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[Broker]:
    """A Redis of the test's own: the examples know no key prefix."""
    with embedded_broker(tmp_path) as broker:
        yield Broker(broker.url)


def test_the_examples_work_together(private_redis: Broker, sqlite_url: str, tmp_path: Path) -> None:
    routes = re.search(r"RENDERWATCH_ROUTES='(.*?)'", RECEIVING, re.DOTALL)
    assert routes
    options = SimulatorOptions(time_scale=100, failure_rate=0, cancel_rate=0)
    with running_simulator(options) as simulator, Programs(tmp_path) as programs:
        variables = environment(sqlite_url, private_redis, simulator.url, routes=routes[1], least_gap=0.3)
        programs.worker(variables)
        programs.beat(variables)
        examples = variables | {"PYTHONPATH": str(ROOT / "examples")}
        studio = programs.worker(examples, "studio", app="studio", options="-c 1 -l INFO")
        (project,) = simulator.create(1, "/v1/text-to-video")
        price = str(project.life.moments[0].credits_charged)
        assert programs.start("enqueue", ["-m", "enqueue", project.id, price], examples).ends() == 0
        final = project.life.last.credits_charged
        said = f"project.completed {project.id}: {final} credits, order 4711"
        wait_for(lambda: said in studio.log, 60, "the example task was called", lambda: studio.log[-500:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", PAGES[page], re.DOTALL))
    code = shell + "".join(re.findall(r"`[^`\n]+`", PAGES[page]))
    shown = re.findall(r"(?<![\w/.-])(?:\.venv/bin/)?renderwatch ([a-z][a-z-]*)", code)
    assert set(shown) <= set(COMMANDS)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_is_short_and_starts_with_two_commands() -> None:
    lines = PAGES[ROOT / "README.md"].splitlines()
    assert len(lines) < 150
    assert "make up" in lines
    assert any(line.startswith(".venv/bin/renderwatch track") for line in lines)


def test_the_first_examples_need_nothing_of_ours() -> None:
    for example in (ROOT / "examples/enqueue.py", ROOT / "examples/studio.py"):
        imported = re.findall(r"^(?:import|from) (\w+)", example.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(imported) <= {*sys.stdlib_module_names, "celery", "django", "fastapi", "standardwebhooks"}
