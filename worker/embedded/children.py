"""Child processes: restarted when they exit, logged to a bounded file, and stopped when we stop."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, Self

_LOG_BYTES: Final = 5_000_000
_LONGEST_PAUSE: Final = 30.0
# A program that ended this often without running steadily is reported with the end of its log.
_CRASHES: Final = 3
_LAST_LINES: Final = 5
_LONGEST_LINE: Final = 300
_STEADY: Final = 60.0  # seconds; a program that ran this long is restarted without a pause
# Stops the child when our process is gone, even if killed: the pipe closes, and `read` returns. A child that does not
# stop within 40 seconds is killed, with all processes that it started.
_GUARD: Final = """
read -r _
kill "$0"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -0 "$0" || break
  sleep 2
done
kill -s KILL -- "-$0"
"""


class Child:
    """One program that is restarted when it ends, after a pause that grows from 1 to 30 seconds."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Remember the command, and the file for its output (at most 5 MB, plus 5 MB of earlier output)."""
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._handler = RotatingFileHandler(log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self._process: subprocess.Popen[str] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._started_at = 0.0
        self._restarts = 0

    def start(self) -> None:
        """Start the program, in a session of its own so that Ctrl-C reaches only us."""
        self._process = subprocess.Popen(  # noqa: S603  our own command
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._guard = subprocess.Popen(  # noqa: S603  fixed words and a process number
            ["/bin/sh", "-c", _GUARD, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._copy_output, args=(self._process,), daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Whether the program is running."""
        return self._process is not None and self._process.poll() is None

    def keep_running(self) -> str | None:
        """Restart the program if it exited and its pause is over. Returns a message for the user, if any."""
        if self._process is None or self.is_running:
            return None
        ran = time.monotonic() - self._started_at
        if ran >= _STEADY:
            self._restarts = 0
        if ran < min(_LONGEST_PAUSE, 2 ** min(self._restarts, 5)):
            return None
        self._restarts += 1
        report = self._report(self._process.returncode)
        self._clean_up()
        self.start()
        return report

    def _report(self, code: int) -> str:
        if self._restarts < _CRASHES:
            return f"{self.name} ended with code {code} and was started again; see {self.log}"
        said = [f"  | {line[:_LONGEST_LINE]}" for line in self.last_lines(_LAST_LINES)]
        times = f"{self._restarts} times in a row, the last time with code {code}"
        return "\n".join([f"{self.name} has ended {times}; it is started again. The end of {self.log}:", *said])

    def ask_to_stop(self) -> None:
        """Ask the program to finish its work and exit."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds` for the program to exit, then kill it."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0))
        self._clean_up()

    def last_lines(self, count: int) -> list[str]:
        """Return the end of the log; it is complete once the program has exited."""
        if self._reader is not None and not self.is_running:
            self._reader.join(5)
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return text.splitlines()[-count:]

    def close(self) -> None:
        """Close the log."""
        self._handler.close()

    def _clean_up(self) -> None:
        """Kill what is left of the program, and release its guard and its output."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS denies it for a group of zombies
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._guard is not None:
            self._guard.kill()  # before its pipe closes, or it would signal a number that is free again
            self._guard.communicate()
        if self._reader is not None:
            self._reader.join(5)
            if self._process is not None and self._process.stdout and not self._reader.is_alive():
                self._process.stdout.close()  # waits for its reader

    def _copy_output(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            self._handler.emit(logging.LogRecord(self.name, logging.INFO, "", 0, line.rstrip("\n"), None, None))


class Children:
    """Several programs that run together. As a context manager it starts them, and stops them at the end."""

    def __init__(self, children: Sequence[Child], *, stop_seconds: float) -> None:
        """Remember the programs; together they get `stop_seconds` to finish before they are killed."""
        self._children = list(children)
        self._stop_seconds = stop_seconds

    def __enter__(self) -> Self:
        """Start all of them."""
        for child in self._children:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all of them, together."""
        deadline = time.monotonic() + self._stop_seconds
        try:
            for child in self._children:
                child.ask_to_stop()
            for child in self._children:
                child.wait(deadline - time.monotonic())
        except KeyboardInterrupt:
            # A second Ctrl-C: stop without waiting.
            for child in self._children:
                child.wait(0)
        for child in self._children:
            child.close()

    def keep_running(self) -> list[str]:
        """Restart programs that have exited. Returns lines to show the user."""
        return [line for child in self._children if (line := child.keep_running())]
