"""The wheel in an empty environment, in a folder where another application has modules of the same names."""

import sys
from pathlib import Path

import pytest

from tests.journeys.installed import VERSIONS, install, python
from tests.journeys.journey import travelling
from tests.support.services import Broker
from worker.simulator import Simulator

FOREIGN = 'raise SystemExit("this file belongs to another application")\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with another application's modules, some of which have names of ours."""
    folder = tmp_path / "application"
    for name in ("worker.py", "celeryconfig.py", "migrations/__init__.py", "migrations/env.py"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FOREIGN)
    (folder / "celeryconfig.py").write_text('task_default_queue = "theirs"\nbroker_url = "memory://"\n')
    return folder


@pytest.mark.timeout(900)  # it installs everything into an empty environment
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wheel_runs_beside_another_application(
    version: str, wheel: Path, folder: Path, tmp_path: Path, postgres_url: str, redis_service: Broker,
    simulator: Simulator,
) -> None:  # fmt: skip
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"this machine has no Python {version}")
    command = install(wheel, interpreter, tmp_path / "environment")
    with travelling(folder, postgres_url, redis_service, simulator) as journey:
        journey.command = command
        journey.variables["PYTHONPATH"] = str(folder)
        journey.whole()
        assert "renderwatch, version" in journey.run("--version")


def test_a_package_of_our_name_in_the_folder_or_on_pythonpath_is_not_ours(
    folder: Path, sqlite_url: str, redis_service: Broker, simulator: Simulator
) -> None:
    (folder / "worker.py").unlink()
    (folder / "worker").mkdir()
    (folder / "worker/__init__.py").write_text(FOREIGN)
    with travelling(folder, sqlite_url, redis_service, simulator) as journey:
        journey.command = (sys.executable, "-c", "from renderwatch_entry import main; main()")
        journey.variables["PYTHONPATH"] = str(folder)
        journey.whole(3)
