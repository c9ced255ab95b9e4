"""The blocks of code in README and docs that can be run cheaply, run; tests/test_docs.py holds that each has a comment.

``<!-- examples/NAME.py -->`` and ``<!-- run: shell -->`` are run in tests/test_guides.py, ``<!-- run: settings -->``
and ``<!-- run: python -->`` here; ``<!-- not run: REASON -->`` says why not. All shell is parsed, our commands with it.
"""

import re
import shlex
import subprocess
import sys

import click
import pytest

from tests.support.blocks import HELD, ROOT, Block, blocks, marked
from worker.cli.main import main

SHELL = [block for block in blocks() if block.language == "sh"]


def test_the_tests_that_are_named_exist() -> None:
    named = [test for block in blocks() for test in re.findall(r"tests/[\w/]+(?:\.py)?", block.comment)]
    assert named
    assert [test for test in [*named, *HELD.values()] if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_shell_block_is_correct_bash(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert checked.stderr == ""


def commands(block: Block) -> list[list[str]]:
    """The lines of a block that start a command of ours, each as its arguments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    starts = ("renderwatch ", ".venv/bin/renderwatch ")
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(starts)]


@pytest.mark.parametrize("block", [block for block in SHELL if commands(block)], ids=str)
def test_commands_that_a_block_shows_are_understood(block: Block) -> None:
    """With the names and types of their arguments; nothing is executed."""
    for arguments in commands(block):
        parse(main, arguments, click.Context(main, info_name="renderwatch"))


def parse(command: click.Command, arguments: list[str], context: click.Context) -> None:
    if not isinstance(command, click.Group):
        command.make_context("renderwatch", arguments, parent=context)
    elif arguments and arguments[0] != "ID":  # renderwatch credits ID
        _, below, rest = command.resolve_command(context, arguments)
        assert below
        parse(below, rest, context)


@pytest.mark.parametrize("block", marked("run: settings"), ids=str)
def test_settings_that_a_block_shows_are_accepted(block: Block) -> None:
    load = "import os, pathlib; from worker.settings import load_settings as load; load(os.environ, pathlib.Path('/'))"
    text = block.text.replace("…", "0123456789abcdef" * 2)  # a secret
    script = f"set -aeu\n{text}\nexec {shlex.quote(sys.executable)} -c {shlex.quote(load)}"
    variables = {"PATH": "/usr/bin:/bin", "DATABASE_URL": "postgresql://renderwatch@db.example.com/renderwatch"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", marked("run: python"), ids=str)
def test_python_that_a_block_shows_runs(block: Block) -> None:
    exec(compile(block.text, str(block), "exec"), {"__name__": "block"})  # noqa: S102  our own pages
