"""Child processes: restarted when they end, and never left behind, with all that they started."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.support.processes import wait_for
from worker.embedded.children import Child, Children

# Ignores SIGTERM, as does the process that it starts; writes both numbers into its log.
STUBBORN = 'trap "" TERM; sleep 300 & echo "$$ $!"; wait'


def child(folder: Path, script: str) -> Child:
    return Child("program", ["/bin/sh", "-c", script], os.environ, folder / "program.log")


def numbers(program: Child) -> list[int]:
    lines = wait_for(lambda: program.last_lines(1), 10, "the program has written its process numbers")
    return [int(word) for word in lines[0].split()]


def runs(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_what_does_not_stop_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    program = child(tmp_path, STUBBORN)
    with Children([program], stop_seconds=0.2):
        started = numbers(program)
        assert all(map(runs, started))
    wait_for(lambda: not any(map(runs, started)), 10, "both have ended")


def test_what_ends_is_restarted_without_leaving_its_own_children_behind(tmp_path: Path) -> None:
    program = child(tmp_path, STUBBORN)
    with Children([program], stop_seconds=0.2) as children:
        main, its_child = numbers(program)
        os.kill(main, signal.SIGKILL)
        (line,) = wait_for(children.keep_running, 10, "the program is restarted")
        assert line == f"program ended with code -9 and was started again; see {program.log}"
        assert not runs(its_child)
        wait_for(lambda: numbers(program)[0] != main, 10, "the program runs again")


def test_what_keeps_ending_is_restarted_less_and_less_often(tmp_path: Path) -> None:
    program = child(tmp_path, "echo why; exit 3")
    restarts: list[float] = []
    said: list[str] = []
    with Children([program], stop_seconds=1) as children:
        deadline = time.monotonic() + 20
        while len(restarts) < 3 and time.monotonic() < deadline:
            if lines := children.keep_running():
                restarts.append(time.monotonic())
                said += lines
            time.sleep(0.02)
    first, second = restarts[1] - restarts[0], restarts[2] - restarts[1]
    assert (round(first), round(second)) == (2, 4)
    assert "why" not in said[1]
    assert said[2].startswith("program has ended 3 times in a row, the last time with code 3; it is started again.")
    assert said[2].endswith("  | why")
