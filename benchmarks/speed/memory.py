"""How much memory worker processes use while they make very many checks.

python -m benchmarks.speed.memory [--checks 1000000] [--transport curl] [--tls]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.speed.machine import Api, redis_server, resident, stand_in, with_children
from benchmarks.speed.projects import fill
from tests.support.processes import Programs, environment
from tests.support.services import POSTGRES_URL, Broker, postgres_database

TRANSPORTS: Final = {"requests": "Renderwatch", "curl": "Renderwatch, with the extra"}
CHECKS: Final = 50_000
GOAL: Final = 120  # MiB
PROJECTS: Final = 10_000
_SHARES: Final = (0.01, 0.1, 0.25, 0.5, 1.0)
_QUIET: Final = ("--concurrency", "2", "--loglevel", "WARNING")
_LOOK_EVERY: Final = 0.5  # seconds
_PATIENCE: Final = 120  # seconds without any check
# All projects are due again a second after each check, and there is as much allowance as anybody could use.
_BUSY: Final[Mapping[str, object]] = {
    "rate": 10_000,
    "burst": 100_000,
    "max_in_flight": 100_000,
    "batch_size": 100,
    "least_gap": 1,
    "greatest_gap": 1,
    "dispatch_every": 0.25,
    "routes": {"project.completed": ["celery:bench.news?queue=bench"]},
}


@dataclass(frozen=True)
class Memory:
    """The MiB of the largest child of the worker after a share of the checks, and of the worker itself at the end."""

    checks: int
    seconds: float
    children: Mapping[float, float]
    parent: float

    @property
    def growth(self) -> float:
        """What came on top after the first tenth, when everything has been used once."""
        return self.children[1.0] - self.children[0.1]


def measure(checks: int, transport: str, *, tls: bool = False) -> Memory:
    """Let a worker make so many checks. Now and then a project ends, so that news goes out too."""
    with (
        tempfile.TemporaryDirectory() as name,
        stand_in(Path(name), tls=tls) as api,
        redis_server() as broker,
        redirect_stdout(None),
        postgres_database(POSTGRES_URL) as url,
        Programs(Path(name)) as programs,
    ):
        fill(url, PROJECTS)
        variables = environment(url, Broker(broker.url), api.url, transport=transport, **_BUSY)
        command = ["-m", "celery", "-A", "worker.app", "worker", *_QUIET]
        worker = programs.start("worker", command, variables | api.variables)
        programs.beat(variables, options="--loglevel WARNING")
        return _watch(worker.process.pid, api, checks)


def _watch(worker: int, api: Api, checks: int) -> Memory:
    seen: dict[float, float] = {}
    started = moved = time.monotonic()
    ended, done = count(), 0
    while len(seen) < len(_SHARES):
        time.sleep(_LOOK_EVERY)
        api.get(f"/end/project-{next(ended) % PROJECTS:07}")
        before, done = done, api.answered()
        moved = time.monotonic() if done > before else moved
        if time.monotonic() > moved + _PATIENCE:
            raise RuntimeError(f"no check for {_PATIENCE} s, after {done}")
        for share in _SHARES:
            if done >= share * checks and share not in seen:
                seen[share] = max(map(resident, with_children(worker)[1:]))
                print(f"{done} checks: {seen[share]:.1f} MiB", file=sys.stderr, flush=True)  # it takes long
    return Memory(done, time.monotonic() - started, seen, resident(worker))


def main() -> None:
    """Measure with and without the extra, or what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=CHECKS)
    parser.add_argument("--transport", choices=TRANSPORTS, help="one of them only")
    parser.add_argument("--tls", action="store_true", help="over TLS, where each connection has certificates in memory")
    given = parser.parse_args()
    report(given.checks, [given.transport] if given.transport else list(TRANSPORTS), tls=given.tls)


def report(checks: int, transports: Iterable[str] = TRANSPORTS, *, tls: bool = False) -> None:
    """Measure, and print the table."""
    print(f"| MiB resident in the largest worker process, of {checks:,} checks after | ", end="")
    print(" | ".join(f"{share:.0%}" for share in _SHARES), "| growth after 10% | parent at the end | checks/s |")
    print("|---|" + "--:|" * (len(_SHARES) + 3))
    for transport in transports:
        found = measure(checks, transport, tls=tls)
        cells = [f"{found.children[share]:.1f}" for share in _SHARES]
        cells += [f"{found.growth:+.1f}", f"{found.parent:.1f}", f"{found.checks / found.seconds:.0f}"]
        print(f"| {TRANSPORTS[transport]} | {' | '.join(cells)} |", flush=True)
    print(f"\nThe goal is at most {GOAL} MiB after a million checks, and no growth.\n", flush=True)


if __name__ == "__main__":
    main()
