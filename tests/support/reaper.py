"""Ends what a test run has started as soon as the run itself is over, however it ended.

Processes of tests have sessions of their own, so that neither Ctrl-C nor the death of their parent reaches them. Each
carries a mark in its environment. A small process of its own waits at a pipe for the end of the run, and then stops
everything that has the mark.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

MARK = "RWTEST_RUN"
_POLITE_SECONDS = 5.0
_kept: "list[subprocess.Popen[bytes]]" = []


def watch_over_this_run() -> None:
    """Mark this process's children from now on, and have them stopped when it ends."""
    mark = uuid.uuid4().hex
    unmarked = {name: value for name, value in os.environ.items() if name != MARK}
    command = [sys.executable, __file__, mark]
    # The pipe is never closed: it ends with this process.
    _kept.append(subprocess.Popen(command, env=unmarked, stdin=subprocess.PIPE, start_new_session=True, cwd="/"))
    os.environ[MARK] = mark


def marked(mark: str) -> list[int]:
    """Return the processes that carry a mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has just ended, or is somebody else's
    return found


def _send(mark: str, number: signal.Signals) -> bool:
    running = marked(mark)
    for pid in running:
        try:
            os.kill(pid, number)
        except OSError:
            continue
    return bool(running)


def main(mark: str) -> None:
    """Wait for the end of the run, then stop what it has left."""
    sys.stdin.read()
    for number in (signal.SIGCONT, signal.SIGTERM):
        _send(mark, number)
    deadline = time.monotonic() + _POLITE_SECONDS
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    while _send(mark, signal.SIGKILL):
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1])
