"""What it costs when nothing is due: a worker and two beats, as the README starts them, with projects that wait.

python -m benchmarks.speed.idle [--rounds 3] [--seconds 30]
"""

import argparse
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.speed.machine import Redis, backends, cpu_of, redis_server, spread, with_children
from benchmarks.speed.projects import fill
from benchmarks.speed.wire import Wire, counted
from tests.support.processes import Programs, environment
from tests.support.services import POSTGRES_URL, Broker, postgres_database

PROJECTS: Final = 5000
SECONDS: Final = 30.0
_WARM_UP: Final = 15  # seconds: by then every child has done everything once, and Celery's greetings are over


@dataclass(frozen=True)
class Idle:
    """Shares of a core in per cent, by who used them, and how often in a second somebody was asked."""

    worker: float
    children: float
    beats: float
    database: float
    broker: float
    statements: float
    commands: float

    @property
    def ours(self) -> float:
        """What all our own processes used."""
        return self.worker + self.children + self.beats


def measure(seconds: float) -> Idle:
    """Start everything, wait until it is quiet, and look on for a while."""
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server() as broker,
        redirect_stdout(None),
        postgres_database(POSTGRES_URL) as url,
        counted(url) as (counted_url, wire),
        Programs(Path(folder)) as programs,
    ):
        fill(url, PROJECTS)
        _postpone(url)
        variables = environment(counted_url, Broker(broker.url), "http://127.0.0.1:9")
        worker = programs.worker(variables, options="--concurrency 2 --loglevel INFO").process.pid
        beats = [programs.beat(variables, name, options="--loglevel INFO").process.pid for name in ("one", "two")]
        time.sleep(_WARM_UP)
        return _watch(worker, beats, url, broker, wire, seconds)


def _postpone(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE tracked_projects SET next_check_at = now() + interval '1 day'")
        connection.execute("VACUUM ANALYZE")


def _watch(worker: int, beats: list[int], url: str, broker: Redis, wire: Wire, seconds: float) -> Idle:
    groups = [[worker], with_children(worker)[1:], beats, backends(url), [broker.process]]
    statements, commands, started = wire.statements, broker.commands(), time.monotonic()
    before = [cpu_of(group) for group in groups]
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    shares = [100 * (cpu_of(group) - used) / elapsed for group, used in zip(groups, before, strict=True)]
    counts = [(wire.statements - statements) / elapsed, (broker.commands() - commands) / elapsed]
    return Idle(*shares, *counts)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    report(given.rounds, given.seconds)


def report(rounds: int = 1, seconds: float = SECONDS) -> None:
    """Measure several times, and print the table."""
    each = [measure(seconds) for _ in range(rounds)]
    print(f"| {PROJECTS:,} projects, none due | per cent of a core |\n|---|--:|")
    names = {
        "ours": "**a worker, its children and two beats**",
        "worker": "of it the worker's parent",
        "children": "its children",
        "beats": "the beats",
        "database": "the database",
        "broker": "the broker",
    }
    for field, name in names.items():
        print(f"| {name} | {spread(getattr(found, field) for found in each)} |")
    statements, commands = (spread(getattr(found, name) for found in each) for name in ("statements", "commands"))
    print(f"\nSQL statements a second: {statements}; broker commands: {commands}.\n", flush=True)


if __name__ == "__main__":
    main()
