"""Real processes for tests: started with an environment of their own, stopped cleanly, their logs shown on failure."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from tests.support.services import Broker

ROOT: Final = Path(__file__).parents[2]
API_KEY: Final = "mhk_live_key-of-the-tests"  # any will do: the simulator accepts all
_STOP_SECONDS: Final = 30
_SHOWN_LINES: Final = 150

T = TypeVar("T")


def wait_for(fact: Callable[[], T], timeout: float, what: str, now: Callable[[], object] | None = None) -> T:
    """Return the fact as soon as it is true. Fails after `timeout` seconds, telling `what`, and how it is `now`."""
    deadline = time.monotonic() + timeout
    while not (found := fact()):
        if time.monotonic() > deadline:
            stands = f"; now: {now()}" if now else f"; last seen: {found!r}"
            raise AssertionError(f"after {timeout:g} s still not: {what}{stands}")
        time.sleep(0.05)
    return found


def environment(database_url: str, broker: Broker, api_url: str, **settings: object) -> dict[str, str]:
    """Return the variables that Renderwatch's programs read; `settings` are named as in worker.settings."""
    named = {f"RENDERWATCH_{name.upper()}": _text(value) for name, value in settings.items()}
    return {
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker.url,
        "RENDERWATCH_BROKER_TRANSPORT_OPTIONS": json.dumps(broker.options),
        "MAGIC_HOUR_API_KEY": API_KEY,
        "MAGIC_HOUR_BASE_URL": api_url,
    } | named


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Program:
    """One running process. Its children are killed with it."""

    def __init__(self, name: str, command: list[str], variables: Mapping[str, str], folder: Path) -> None:
        """Start it in a folder: an absolute path with its arguments, or arguments of this Python."""
        self.name = name
        self._asked = False
        self._log = folder / f"{name}.log"
        with self._log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command if command[0].startswith("/") else [sys.executable, *command],
                cwd=folder,
                env=_clean() | dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """Everything that it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def says(self, text: str, timeout: float = 30) -> None:
        """Wait until its log has this text."""
        wait_for(lambda: text in self.log or self.process.poll() is not None, timeout, f"{self.name} says {text!r}")
        assert text in self.log, f"{self.name} ended with {self.process.returncode} before it said {text!r}"

    def ends(self, timeout: float = _STOP_SECONDS) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Kill it and its children, without any chance to tidy up."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, and kill it when it does not. Returns its exit code."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.ends()
        self.kill()
        return self.process.returncode

    def ask_to_stop(self) -> None:
        """Send SIGTERM, once: a second one would mean that it shall not tidy up."""
        if self.process.poll() is None and not self._asked:
            self._asked = True
            self.process.send_signal(signal.SIGTERM)


def _clean() -> dict[str, str]:
    """Return this process's environment without any setting, so that a developer's own cannot leak into tests."""
    ours = ("RENDERWATCH_", "MAGIC_HOUR_", "DATABASE_URL", "CELERY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Text, because tests read the logs as people do.
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "RENDERWATCH_LOG_FORMAT": "text"}


class Programs:
    """The processes of one test. They are stopped when the context ends, and their logs printed: pytest shows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs:  # all at once, so that they stop side by side
            program.ask_to_stop()
        for program in self._programs:
            program.stop()
            print(f"--- {program.name}", *program.log.splitlines()[-_SHOWN_LINES:], sep="\n")  # noqa: T201  for pytest

    def start(self, name: str, command: list[str], variables: Mapping[str, str]) -> Program:
        """Start a Python program."""
        program = Program(name, command, variables, self._folder)
        self._programs.append(program)
        return program

    def worker(
        self,
        variables: Mapping[str, str],
        name: str = "worker",
        *,
        app: str = "worker.app",
        options: str = "-c 2 -l INFO",
    ) -> Program:
        """Start a Celery worker, and wait until it is ready."""
        command = ["-m", "celery", "-A", app, "worker", "-n", f"{name}@%h", *options.split()]
        program = self.start(name, command, variables)
        program.says(" ready.")
        return program

    def beat(self, variables: Mapping[str, str], name: str = "beat", *, options: str = "-l INFO") -> Program:
        """Start Celery beat."""
        return self.start(name, ["-m", "celery", "-A", "worker.app", "beat", *options.split()], variables)

    @property
    def logs(self) -> dict[str, str]:
        """What each program wrote, by its name."""
        return {program.name: program.log for program in self._programs}
