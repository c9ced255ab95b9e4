"""A checkout whose code is newer than the packages in its environment: one sentence, and nothing is started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import ROOT

MAIN: Final = "from worker.cli.main import main; main(prog_name='renderwatch')"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The code as a checkout has it, to be changed."""
    for name in ("worker", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("celeryconfig.py", "renderwatch_entry.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(checkout: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    variables = {"PATH": os.environ["PATH"], "HOME": str(checkout), "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-P", "-c", MAIN, *words]
    return subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=60, check=False)


def declare(checkout: Path, requirement: str) -> None:
    file = checkout / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("dependencies = [\n", f'dependencies = [\n  "{requirement}",\n', 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "requirement"), [("up", "renderwatch-needs-this>=1.0"), ("up", "click>=1000"), ("web", "click>=1000")]
)
def test_a_process_says_that_the_installation_is_older_and_does_not_start(
    checkout: Path, command: str, requirement: str
) -> None:
    declare(checkout, requirement)
    ended = run(checkout, command)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: the installed packages are older than the code, which needs {requirement}")
    assert ended.stderr.endswith("; run make up (in your own environment: pip install -U -e .)\n")
    assert ended.stderr.count("\n") == 1
    assert not (checkout / ".renderwatch").exists()


def test_a_command_that_cannot_import_what_is_missing_says_the_same(checkout: Path) -> None:
    declare(checkout, "renderwatch-needs-this>=1.0")
    file = checkout / "worker/cli/list_.py"
    file.write_text("import renderwatch_needs_this\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    ended = run(checkout, "list")
    assert "the installed packages are older than the code, which needs renderwatch-needs-this>=1.0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_import_that_fails_for_another_reason_shows_its_traceback(checkout: Path) -> None:
    file = checkout / "worker/cli/list_.py"
    file.write_text("import renderwatch_has_a_bug\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert "No module named 'renderwatch_has_a_bug'" in run(checkout, "list").stderr
