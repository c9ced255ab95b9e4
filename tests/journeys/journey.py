"""One journey: Renderwatch's own commands in a folder and an environment of their own, followed to the end."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.celery.world import Store, entry, hand_over, reading
from tests.support.judge import Allowed, Watch, assert_clean, lies, watching
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.reaper import MARK
from tests.support.services import Broker
from worker.simulator import Simulator, SimulatorOptions

RENDERWATCH: Final = (str(Path(sys.executable).with_name("renderwatch")),)
FAST: Final[dict[str, Any]] = {
    "rate": 200,
    "burst": 400,
    "least_gap": 0.2,
    "greatest_gap": 1,
    "settle_gaps": [0.5],
    "refund_gaps": [0.5, 1],
    "dispatch_every": 0.5,
    "sweep_every": 1,
    "lease_seconds": 10,
    "request_timeout": 3,
    "web_port": 0,
}
# Renders of some seconds, with endings of each kind; no refund comes later than we look for it.
QUICK: Final = SimulatorOptions(
    seed=5, time_scale=40, spread=0.2, failure_rate=0.25, cancel_rate=0.25, late_refund_rate=0
)
_STARTING: Final = 10.0
_ONLY: Final = ("PATH", "LANG", "PIP_", "PYENV_ROOT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "TEST_", MARK)


def bare_environment() -> dict[str, str]:
    """Return what a service manager gives to a process: a PATH, and neither a home nor a terminal."""
    return {name: value for name, value in os.environ.items() if name.startswith(_ONLY)}


@dataclass
class Journey:
    """A folder and an environment in which Renderwatch's commands run. ``store`` reads its database."""

    folder: Path
    variables: dict[str, str]
    programs: Programs
    broker: Broker
    store: Store
    simulator: Simulator
    watch: Watch
    command: Sequence[str] = RENDERWATCH
    allowed: list[Allowed] = field(default_factory=list)

    def run(self, *arguments: str) -> str:
        """Run a command that succeeds, and return what it said."""
        ended = self._ended(*arguments)
        assert ended.returncode == 0, f"{arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr

    def refuses(self, *arguments: str) -> str:
        """Run a command that refuses to work, and return why: one line."""
        ended = self._ended(*arguments)
        assert ended.returncode == 1, f"{arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        assert ended.stderr.count("\n") == 1, ended.stderr
        return ended.stderr

    def complains(self, *arguments: str) -> str:
        """Run a command that finds something wrong, and return what it said."""
        ended = self._ended(*arguments)
        assert ended.returncode == 1, f"{arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr

    def _ended(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=bare_environment() | self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def start(self, name: str, *arguments: str) -> Program:
        """Start one of our commands."""
        return self.programs.start(name, [*self.command, *arguments], {"PYTHONPATH": ""} | self.variables)

    def start_all(self) -> None:
        """Start a worker and a beat."""
        self.start("worker", "worker", "--concurrency", "2").says(" ready.", 60)
        self.start("beat", "beat")
        self.watch.excuse(_STARTING)

    def create(self, count: int, path: str | None = None) -> list[Any]:
        """Create projects, and have them tracked by a message, as another service does it."""
        made = self.simulator.create(count, path) if path else self.simulator.create(count)
        hand_over(self.broker, {"projects": [entry(project) for project in made]})
        return made

    def arrives(self, count: int, timeout: float = 90) -> None:
        """Wait until so many projects are closed, and compare them with what the simulator knows."""
        wait_for(lambda: self.store.all_closed(count), timeout, f"{count} projects are closed", self.store.states)
        truth = {record["id"]: record["final"] for record in self.simulator.record()}
        rows = self.store.rows("SELECT project_id, status, credits_charged FROM tracked_projects")
        seen = {row["project_id"]: (row["status"], row["credits_charged"]) for row in rows}
        assert seen == {id_: (truth[id_]["status"], truth[id_]["credits_charged"]) for id_ in seen}

    def tells_no_lies(self) -> None:
        """The doctor finds nothing wrong, and what it says is so."""
        said = self.run("doctor")
        assert lies(said, self.store.database) == []

    def whole(self, count: int = 9) -> None:
        """The usual journey: migrate, start everything, track projects, follow them to the end."""
        self.run("migrate")
        self.start_all()
        self.create(count)
        self.arrives(count)
        self.tells_no_lies()


@contextmanager
def travelling(
    folder: Path, url: str, broker: Broker, simulator: Simulator, *, reader_url: str | None = None, **settings: object
) -> Iterator[Journey]:
    """Give a journey. At the end all logs must be clean, and no project may have waited since everything was started.

    ``reader_url`` is where the test itself reads, when ``url`` leads through something that may break.
    """
    folder.mkdir(exist_ok=True)
    variables = environment(url, broker, simulator.url, **FAST | settings)
    with reading(reader_url or url) as store, Programs(folder) as programs:
        with watching(reader_url or url) as watch:
            watch.excuse()
            journey = Journey(folder, variables, programs, broker, store, simulator, watch)
            yield journey
        assert_clean(programs.logs, journey.allowed)
