"""The reference pages of the command line and of the API's errors say what the code does."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from worker.web.app import _CODES

ROOT = Path(__file__).parent.parent.parent
ERRORS = (ROOT / "docs/api-errors.md").read_text(encoding="utf-8")
# The calls that make an error, and which of their arguments is its code.
MAKERS = {"ProblemError": 1, "problem_response": 1, "_answer": 2, "BodyError": 1, "Refused": 2}


def codes() -> Iterator[object]:
    """Every code that the HTTP API can answer with."""
    for path in [*(ROOT / "worker/web").rglob("*.py"), ROOT / "worker/store/intake/store_requests.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                yield from (arg.value for arg in node.args[MAKERS[node.func.id] :][:1] if isinstance(arg, ast.Constant))
    yield from _CODES.values()
    yield "refused"


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    # In a process of its own: click keeps what commands were first called with, and other tests call them otherwise.
    command = [sys.executable, "-m", "worker.cli.reference_page"]
    page = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == page, "run: make cli-page"


def test_every_code_of_an_error_is_explained_and_no_other() -> None:
    explained = re.findall(r"^\| `([a-z_]+)` \|", ERRORS, re.MULTILINE)
    assert sorted(explained) == sorted({str(code) for code in codes()})
