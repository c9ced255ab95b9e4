"""``make up`` from a clean clone, as a newcomer does it, until every project of the demo has ended."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cli.test_up import ENDINGS, demo_database
from tests.journeys.journey import bare_environment
from tests.support.judge import Allowed, assert_clean, read_logs, watching
from tests.support.processes import ROOT, Program, wait_for

_INSTALLED_AFTER: Final = 240
_UNSEEN: Final = ".venv", ".git", "*cache*", "__pycache__", ".hypothesis", ".renderwatch", "build"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the checkout with nothing that was made in it."""
    folder = tmp_path / "renderwatch"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_UNSEEN))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_of_a_clean_clone_runs_to_its_end(clone: Path) -> None:
    variables = bare_environment() | {"RENDERWATCH_WEB_PORT": "0", "PYTHONPATH": ""}
    make = shutil.which("make")
    assert make
    up = Program("make-up", [make, "up"], variables, clone)
    try:
        up.says("created and tracked 12 projects", _INSTALLED_AFTER)
        with watching(demo_database(clone)):
            for ending in ENDINGS:
                up.says(ending, 150)
            wait_for(lambda: up.log.count("(settled)") >= 12, 150, "all twelve are settled", lambda: up.log[-2000:])
    finally:
        up.stop()
    pip = Allowed(r"^WARNING: ", "pip says what it thinks of the machine's configuration")
    assert_clean(read_logs(clone / ".renderwatch/logs", clone / "make-up.log"), [pip])
