"""Nobody sees a traceback for a mistake of their own, and every message says what to do next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.store.world import request, track
from tests.support.processes import ROOT
from worker.cli import commands
from worker.store.engine import Database

COMMANDS = sorted(commands.COMMANDS)
WITH_JSON = [
    *("track", "untrack", "recheck", "show", "list", "watch", "history", "credits", "doctor", "reconcile"),
    *("explain", "delays", "accounts", "metadata", "as-of", "listen", "trigger"),
]
COMMAND = [sys.executable, "-c", "from worker.cli.main import main; main(prog_name='renderwatch')"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(run: Run, command: str) -> None:
    said = run(command, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: renderwatch {command}")
    assert ("--json" in said.out) == (command in WITH_JSON)
    for parameter in commands.COMMANDS[command].load().params:
        assert parameter.param_type_name == "argument" or any(name in said.out for name in parameter.opts)


def test_the_commands_are_listed_with_what_they_do(run: Run) -> None:
    said = run("--help")
    for command in COMMANDS:
        (line,) = (line for line in said.out.splitlines() if line.split()[:1] == [command])
        assert len(line.split()) > 2


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RENDERWATCH_RAT": "5"}, "did you mean RENDERWATCH_RATE?"),
        ({"RENDERWATCH_RATE": "fast"}, "RENDERWATCH_RATE"),
        ({"DATABASE_URL": "oracle://nowhere/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.db"}, "database"),
        ({"DATABASE_URL": "postgresql://postgres:hidden-word@127.0.0.1:1/x"}, "renderwatch doctor"),
    ],
)
def test_unusable_settings_are_one_line(run: Run, environment: dict[str, str], message: str) -> None:
    said = run("list", **environment)
    assert (said.code, said.out) == (1, "")
    assert len(said.err.splitlines()) == 1
    assert message in said.err
    assert "hidden-word" not in said.err


def test_a_database_without_tables_names_the_command_that_makes_them(run: Run, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"}
    assert "renderwatch migrate" in run("list", **environment).err
    assert "is at revision" in run("migrate", **environment).out
    assert run("list", **environment).code == 0


def test_a_reader_that_stops_early_is_no_error(database: Database, database_url: str, tmp_path: Path) -> None:
    track(database, *[request(number) for number in range(3000)])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url}
    listing = subprocess.Popen(
        [*COMMAND, "list", "--limit", "3000"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listing.stdout
    assert listing.stderr
    listing.stdout.readline()
    listing.stdout.close()
    assert listing.stderr.read() == ""
    listing.stderr.close()
    listing.wait(30)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(run: Run, shell: str) -> None:
    script = run("completion", shell)
    assert script.code == 0
    assert "_RENDERWATCH_COMPLETE" in script.out


def test_completion_offers_commands(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "_RENDERWATCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "renderwatch re",
        "COMP_CWORD": "1",
    }
    offered = subprocess.run(COMMAND, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "plain,recheck" in offered.stdout.splitlines()
