"""What somebody gets who installs the wheel, in a folder that knows nothing of ours."""

import email
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.processes import ROOT
from worker import __version__
from worker.cli.commands import COMMANDS
from worker.cli.lazy_group import LazyCommand
from worker.cli.main import main

CPU_SECONDS = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""
PROGRAM = "import sys; sys.path.insert(0, {!r}); from worker.cli.main import main; main(prog_name='renderwatch')"


def run_installed(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", PROGRAM.format(str(installed)), *arguments]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, timeout=60, check=False)


def test_the_wheel_has_all_that_runs(installed: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "worker", "migrations"], cwd=ROOT, capture_output=True, check=True)
    for path in tracked.stdout.decode().split():
        assert (installed / path).exists() or not (ROOT / path).exists(), path
    assert (installed / "worker/celeryconfig.py").exists()
    assert (installed / "renderwatch_entry.py").exists()
    assert not (installed / "celeryconfig.py").exists()  # that name may be another distribution's
    assert (installed / "worker/py.typed").exists()
    assert not (installed / "tests").exists()


def test_the_wheel_says_what_it_is(installed: Path) -> None:
    (info,) = installed.glob("*.dist-info")
    metadata = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Author"] == "The Renderwatch developers"
    assert "MIT License" in (info / "licenses/LICENSE").read_text(encoding="utf-8")
    assert {"embedded", "fast", "otel", "parquet"} <= set(metadata.get_all("Provides-Extra", []))


def test_the_installed_program_migrates_and_reads_from_any_folder(installed: Path, tmp_path: Path) -> None:
    for name in ("worker.py", "celeryconfig.py", "migrations/env.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('this is another application')\n", encoding="utf-8")
    migrated = run_installed(installed, tmp_path, "migrate")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    listed = run_installed(installed, tmp_path, "list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")


def test_the_version_is_in_one_place_and_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert f"\n## {__version__} - 20" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_need_little_cpu_time(option: str) -> None:
    # The best of three: CPU times vary with what else the machine does.
    program = "from worker.cli.main import main; main(prog_name='renderwatch')"
    command = [sys.executable, "-c", CPU_SECONDS, program, option]
    best = min(float(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout) for _ in range(3))
    assert best < 0.3


def test_version() -> None:
    assert (
        CliRunner().invoke(main, ["--version"], prog_name="renderwatch").output
        == f"renderwatch, version {__version__}\n"
    )


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_the_list_of_commands_says_what_each_command_says(name: str, command: LazyCommand) -> None:
    loaded = command.load()
    assert loaded.name == name
    assert loaded.short_help == command.short_help


def test_an_unknown_command_is_an_error() -> None:
    ended = CliRunner().invoke(main, ["trakc"])
    assert ended.exit_code == 2
    assert "No such command 'trakc'" in ended.stderr
