"""Measure Renderwatch beside the same work done by others, at several API latencies; print tables.

python -m benchmarks.peers --python PYTHON [--only poller,…] [--latencies-ms 0,50,300] [--seconds 8] [--rounds 3]

PYTHON has what benchmarks/peers/requirements.txt names. Each design has two processes, and projects that are due again
one second after each check. It is measured when it has seen each of them once. Then all its processes are killed
(SIGKILL) at the height of their work: answers of the API that nobody recorded are counted.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.speed.machine import Api, backends, cpu_of, processor, redis_server, spread, stand_in, with_children
from benchmarks.speed.projects import fill
from benchmarks.speed.whole import PROJECTS, QUIET, WORKERS, every_second
from tests.support.processes import Programs, wait_for
from tests.support.services import POSTGRES_URL, postgres_database

_FOLDER: Final = Path(__file__).parent
_PATIENCE: Final = 600.0  # seconds until each project has been seen: first sights cost more than what is measured
_TABLES: Final = """
CREATE TABLE renders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project_id text NOT NULL UNIQUE, status text,
  credits int, check_count int NOT NULL DEFAULT 0, leased_until timestamptz,
  next_check_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 70);
CREATE INDEX ON renders (next_check_at);
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, render_id bigint NOT NULL,
  payload text NOT NULL);
"""


@dataclass(frozen=True)
class Run:
    """What a design did: checks per second, CPU milliseconds a check with database and broker, what a kill lost."""

    rate: float
    cpu: float
    lost: float


@dataclass(frozen=True)
class Started:
    """A design at work: its processes, its database, the table that it counts checks in, and a broker's process."""

    pids: Sequence[int]
    url: str
    table: str
    broker: Sequence[int] = ()


@contextmanager
def _renderwatch(transport: str, _: str, api: Api, folder: Path) -> Iterator[Started]:
    with redis_server() as broker, postgres_database(POSTGRES_URL) as url, Programs(folder) as programs:
        fill(url, PROJECTS)
        variables = every_second(url, broker, api, transport)
        command = ["-P", "-m", "worker.tasks", "worker", *QUIET]
        worker = programs.start("worker", command, variables).process.pid
        beat = programs.start("beat", ["-P", "-m", "worker.tasks", "beat", "-l", "WARNING"], variables).process.pid
        wait_for(lambda: api.answered() > 0, 60, "the worker asks")
        yield Started([*with_children(worker), beat], url, "tracked_projects", [broker.process])


@contextmanager
def _peer(script: str, projects: int, python: str, api: Api, folder: Path) -> Iterator[Started]:
    with postgres_database(POSTGRES_URL) as url, ExitStack() as stack:
        with psycopg.connect(url) as connection:
            connection.execute(_TABLES)
            ids = "SELECT 'project-' || lpad(n::text, 7, '0') FROM generate_series(0, %s) n"
            connection.execute(f"INSERT INTO renders (project_id) {ids}", (projects - 1,))
        command = [python, str(_FOLDER / script), url, api.url]
        if "procrastinate" in script:
            subprocess.run([*command, "prepare"], check=True)  # noqa: S603  our own
        log = stack.enter_context((folder / "peer.log").open("w"))
        started = [subprocess.Popen(command, stderr=log) for _ in range(WORKERS)]  # noqa: S603  as above
        try:
            wait_for(lambda: api.answered() > 0, 60, "the peer asks")
            yield Started([each.pid for each in started], url, "renders")
        finally:
            for each in started:
                each.kill()
                each.wait()


DESIGNS: Final[dict[str, tuple[str, Callable[..., object]]]] = {
    "fast": ("Renderwatch, with the extra", partial(_renderwatch, "curl")),
    "default": ("Renderwatch", partial(_renderwatch, "requests")),
    "poller": ("a poller of one's own (asyncio, aiohttp, asyncpg)", partial(_peer, "poller.py", PROJECTS)),
    "procrastinate": ("procrastinate", partial(_peer, "procrastinate_worker.py", PROJECTS // 10)),
}


def measure(name: str, python: str, latency: float, seconds: float) -> Run:
    """Let a design work, measure it, and kill it."""
    with tempfile.TemporaryDirectory() as folder, stand_in(Path(folder), delay=latency) as api, redirect_stdout(None):
        make = DESIGNS[name][1]
        with make(python, api, Path(folder)) as started:  # type: ignore[attr-defined]  # both are context managers
            wait_for(
                lambda: _count(started, "count(*) FILTER (WHERE check_count = 0)") == 0, _PATIENCE, "all were seen"
            )
            groups = [*started.pids, *backends(started.url), *started.broker]
            since, first, used = time.monotonic(), api.answered(), cpu_of(groups)
            time.sleep(seconds)
            checks, elapsed = api.answered() - first, time.monotonic() - since
            cpu = cpu_of(groups) - used
            for pid in started.pids:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not backends(started.url), 30, "the database has noticed")
            time.sleep(2 * latency + 0.5)
            return Run(
                checks / elapsed, 1000 * cpu / max(1, checks), api.answered() - _count(started, "sum(check_count)")
            )


def _count(started: Started, what: str) -> int:
    with psycopg.connect(started.url) as connection:
        row = connection.execute(f"SELECT {what} FROM {started.table}".encode()).fetchone()  # noqa: S608  our own words
    return int(row[0] or 0) if row else 0


def main() -> None:
    """Measure what was asked for, and print a table for each latency."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--only", default=",".join(DESIGNS))
    parser.add_argument("--latencies-ms", default="0,50,300")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    names = given.only.split(",")
    print(f"{processor()}; the middle of {given.rounds} rounds (least to greatest)\n")
    for latency in map(float, given.latencies_ms.split(",")):
        runs: dict[str, list[Run]] = {name: [] for name in names}
        for _ in range(given.rounds):
            for name in names:
                runs[name].append(measure(name, given.python, latency / 1000, given.seconds))
        print(
            f"| {latency:g} ms | checks/s | ms of CPU per check, all in | answers lost by a kill |\n|---|--:|--:|--:|"
        )
        for name, each in runs.items():
            cells = (spread(getattr(run, field) for run in each) for field in ("rate", "cpu", "lost"))
            print(f"| {DESIGNS[name][0]} |", " | ".join(cells), "|")
        print(flush=True)


if __name__ == "__main__":
    main()
