"""Child processes of one terminal: kept running, their output in a bounded log file, and stopped when we stop."""

import logging
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, Self

_LOG_BYTES: Final = 5_000_000
_LONGEST_PAUSE: Final = 30.0
_STEADY: Final = 60.0
# Stops the child when our process is gone, however it died: the pipe ends with it, and `read` returns.
_GUARD: Final = 'read -r _; kill "$0"'


class Child:
    """One program that is started again when it ends, a little later each time."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Remember what to run; ``folder`` is where its log goes."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = list(command)
        self._environment = dict(environment)
        self._handler = RotatingFileHandler(self.log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
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
            ["/bin/sh", "-c", _GUARD, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._copy_output, args=(self._process,), daemon=True)
        self._reader.start()

    def keep_running(self) -> str | None:
        """Start the program again if it ended and its pause is over. Returns a line to tell the user, if any."""
        if self._process is None or self._process.poll() is None:
            return None
        ran = time.monotonic() - self._started_at
        if ran >= _STEADY:
            self._restarts = 0
        if ran < min(_LONGEST_PAUSE, 2.0**self._restarts):
            return None
        code = self._process.returncode
        self._clean_up()
        self._restarts += 1
        self.start()
        return f"{self.name} ended with code {code} and was started again; see {self.log}"

    def ask_to_stop(self) -> None:
        """Ask the program to finish what it does, and to end."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for the end, and force it after so many seconds."""
        if self._process is None:
            return
        try:
            self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._clean_up()

    def close(self) -> None:
        """Close the log."""
        self._handler.close()

    def _clean_up(self) -> None:
        if self._process is not None:
            self._process.wait()
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()
            if self._guard.stdin:
                self._guard.stdin.close()
        if self._reader is not None:
            self._reader.join(5)
        if self._process is not None and self._process.stdout:
            self._process.stdout.close()

    def _copy_output(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            self._handler.emit(logging.LogRecord(self.name, logging.INFO, "", 0, line.rstrip("\n"), None, None))


class Children:
    """Several programs that run together. As a context manager it starts them, and stops them at the end."""

    def __init__(self, children: Sequence[Child], *, patience: float) -> None:
        """Remember the programs; ``patience`` is how many seconds they get to finish."""
        self._children = list(children)
        self._patience = patience

    def __enter__(self) -> Self:
        """Start all of them."""
        for child in self._children:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all of them, together."""
        deadline = time.monotonic() + self._patience
        try:
            for child in self._children:
                child.ask_to_stop()
            for child in self._children:
                child.wait(deadline - time.monotonic())
        except KeyboardInterrupt:
            # A second Ctrl-C: whoever presses it does not want to wait.
            for child in self._children:
                child.wait(0)
        for child in self._children:
            child.close()

    def keep_running(self) -> list[str]:
        """Start again what ended. Returns lines to tell the user."""
        return [line for child in self._children if (line := child.keep_running())]
