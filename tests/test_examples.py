"""The README's examples do what it says: a service hands over an id, and its task receives the completion."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Programs, environment, wait_for
from tests.support.services import Broker
from worker.cli.main import main
from worker.embedded.broker import embedded_broker
from worker.embedded.redis_server import redis_from_wheel, redis_server
from worker.simulator import SimulatorOptions, running_simulator

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[Broker]:
    """A Redis of the test's own: the examples know no key prefix."""
    with embedded_broker(tmp_path, (redis_server, redis_from_wheel)) as broker:
        yield Broker(broker.url)


def test_the_examples_work_together(private_redis: Broker, sqlite_url: str, tmp_path: Path) -> None:
    routes = re.search(r"RENDERWATCH_ROUTES='(.*?)'", README, re.DOTALL)
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


def test_every_command_that_the_readme_shows_exists() -> None:
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    shown = re.findall(
        r"(?<![\w/.-])(?:\.venv/bin/)?renderwatch ([a-z][a-z-]*)", shell + "".join(re.findall(r"`[^`\n]+`", README))
    )
    assert shown
    assert set(shown) <= set(main.commands)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readmes_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / link).exists(), link


def test_the_examples_need_nothing_of_ours() -> None:
    for example in (ROOT / "examples").glob("*.py"):
        imported = re.findall(r"^(?:import|from) (\w+)", example.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(imported) <= {*sys.stdlib_module_names, "celery"}
