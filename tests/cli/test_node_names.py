"""Workers of one host have different names, and one that is started again has its old one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

SCRIPT = """
import os, sys
from worker.cli import processes
taken = [processes._node_name()]
print(taken[0], flush=True)
sys.stdin.readline()
"""


def _start(folder: Path) -> "subprocess.Popen[str]":
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "RENDERWATCH_STATE_DIR": str(folder)}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _name(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_worker_has_a_name_of_its_own_and_keeps_it_over_a_restart(tmp_path: Path) -> None:
    first, second = _start(tmp_path), _start(tmp_path)
    try:
        names = {_name(first), _name(second)}
        assert names == {"renderwatch1@%h", "renderwatch2@%h"}
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    again = _start(tmp_path)
    try:
        assert _name(again) == "renderwatch1@%h"
    finally:
        again.kill()
        again.communicate()
