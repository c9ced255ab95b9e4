"""The version before this one beside the new schema: processes are replaced one by one, and meanwhile both run."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.journeys.installed import build_wheel, install_beside
from tests.journeys.journey import RENDERWATCH, travelling
from tests.support.judge import Allowed
from tests.support.processes import ROOT
from tests.support.services import Broker, unavailable
from worker.simulator import Simulator

# The last commit of version 0.1.
PREVIOUS: Final = "9956288"
# It does not know this setting of the tests.
PYTHON: Final = ("/usr/bin/env", "-u", "RENDERWATCH_LOG_FORMAT", sys.executable)


@pytest.fixture
def previous(tmp_path: Path) -> tuple[str, ...]:
    """The start of a Python that has the version before this one, and everything that it needs."""
    source = tmp_path / "previous"
    source.mkdir()
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        unavailable(f"the history of this checkout does not go back to {PREVIOUS}")
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    return install_beside(build_wheel(source, tmp_path / "wheel"), tmp_path / "lib")


def test_old_and_new_processes_share_the_new_schema(
    previous: tuple[str, ...], tmp_path: Path, new_database: str, redis_service: Broker, simulator: Simulator
) -> None:
    with travelling(tmp_path / "run", new_database, redis_service, simulator) as journey:
        journey.allowed.append(Allowed("CPendingDeprecationWarning", "Celery about the old version"))
        journey.command = previous
        journey.run("migrate")
        journey.command = RENDERWATCH
        journey.run("migrate")
        journey.command = previous
        old = {"PYTHONPATH": previous[-1]}
        worker = [
            *PYTHON,
            "-m",
            "celery",
            "-A",
            "worker.app",
            "worker",
            "--loglevel",
            "INFO",
            "-c",
            "2",
            "-n",
            "old@%h",
        ]
        # The database is at the new schema; all processes are still of the old version.
        journey.programs.start("old-worker", worker, journey.variables | old).says(" ready.", 60)
        beat = [*PYTHON, "-m", "celery", "-A", "worker.app", "beat", "--loglevel", "INFO"]
        journey.programs.start("old-beat", beat, journey.variables | old)
        journey.watch.excuse(10)
        journey.create(9)
        journey.arrives(9)
        journey.run("list")
        # New ones come beside them.
        journey.command = RENDERWATCH
        journey.start_all()
        journey.create(9)
        journey.arrives(18)
