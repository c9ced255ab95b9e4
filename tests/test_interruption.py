"""A run of the tests that is interrupted leaves nothing running, however it was started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import ROOT, wait_for

HANGS = """
import os, subprocess, sys, time
from pathlib import Path

def test_hangs() -> None:
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path({file!r}).write_text(f"{{os.getpid()}} {{program.pid}}")
    time.sleep(600)
"""
PYTEST = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "1"]
MAKE = ["make", "test", f"VENV={Path(sys.prefix)}"]


def _ignore_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("command", "number", "before"),
    [
        pytest.param(MAKE, signal.SIGTERM, None, id="make-SIGTERM"),
        pytest.param(PYTEST, signal.SIGINT, None, id="pytest-SIGINT"),
        pytest.param(PYTEST, signal.SIGINT, _ignore_sigint, id="in-the-background-of-a-script"),
        pytest.param(PYTEST, signal.SIGKILL, None, id="pytest-SIGKILL"),
    ],
)
def test_nothing_outlives_an_interrupted_run(
    tmp_path: Path, command: list[str], number: signal.Signals, before: Callable[[], None] | None
) -> None:
    file, test = tmp_path / "processes", tmp_path / "test_hangs.py"
    test.write_text(HANGS.format(file=str(file)))
    arguments = ["-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", str(test)]
    whole = [*command, f"PYTEST_ARGS={' '.join(arguments)}"] if command is MAKE else [*command, *arguments]
    # As cron does it: nearly no environment.
    variables = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    with (tmp_path / "run.log").open("w") as log:
        run = subprocess.Popen(whole, cwd=ROOT, env=variables, stdout=log, stderr=log, preexec_fn=before)  # noqa: PLW1509  no threads
    said = (tmp_path / "run.log").read_text
    wait_for(lambda: file.exists() or run.poll() is not None, 150, "the test runs", said)
    assert file.exists(), said()
    started = [int(pid) for pid in file.read_text().split()]
    run.send_signal(number)
    run.wait(30)
    wait_for(lambda: not any(map(_runs, started)), 30, "nothing runs any more", said)
