"""Whole checks, with every process that takes part in them: Renderwatch, and the usual design."""

import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import redis
from celery import Celery
from sqlalchemy import create_engine, insert

from benchmarks.speed.machine import Api, Redis, backends, cpu_of, resident, with_children
from benchmarks.speed.projects import fill
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import POSTGRES_URL, Broker, postgres_database

PROJECTS: Final = 20_000
WORKERS: Final = 2
# Quiet, so that nobody is measured by how much they log.
QUIET: Final = ("--concurrency", str(WORKERS), "--loglevel", "WARNING")
_QUEUED: Final = 400


@dataclass(frozen=True)
class Run:
    """What a design did: checks per second, and the CPU milliseconds of each check, by who used them.

    ``commands`` are the broker's for each check, ``memory`` is the MiB of the largest process at the end.
    """

    rate: float
    worker: float
    database: float
    broker: float
    api: float
    commands: float
    memory: float

    @property
    def cpu(self) -> float:
        """The CPU milliseconds of a check, without what the API's stand-in uses."""
        return self.worker + self.database + self.broker


def every_second(url: str, broker: Redis, api: Api, transport: str) -> dict[str, str]:
    """Return the settings with which each project is due again a second after each check, and no limit is met."""
    limits = {"rate": 10_000, "burst": 100_000, "least_gap": 1, "greatest_gap": 1}
    return environment(url, Broker(broker.url), api.url, **limits, transport=transport)


def renderwatch(folder: Path, api: Api, broker: Redis, transport: str, seconds: float) -> Run:
    """Run a worker and beat on projects that are due again a second after each check."""
    with redirect_stdout(None), postgres_database(POSTGRES_URL) as url, Programs(folder) as programs:
        fill(url, PROJECTS)
        variables = every_second(url, broker, api, transport)
        processes = [
            _worker(programs, "worker.app", variables | api.variables),
            programs.beat(variables, options="-l WARNING").process.pid,
        ]
        wait_for(lambda: _unseen(url) == 0, 120, "every project has been seen once")
        return _measure(processes, url, broker, api, seconds, lambda: time.sleep(0.2))


def _worker(programs: Programs, app: str, variables: Mapping[str, str], *options: str) -> int:
    command = ["-m", "celery", "-A", app, "worker", *QUIET, *options]
    return programs.start("worker", command, variables).process.pid


def _unseen(url: str) -> int:
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM tracked_projects WHERE check_count = 0").fetchone() or (0,)
    return int(count)


def usual(folder: Path, api: Api, broker: Redis, seconds: float) -> Run:
    """Run a worker of the usual design, and keep its queue filled."""
    with redirect_stdout(None), postgres_database(POSTGRES_URL) as url, Programs(folder) as programs:
        address = url.replace("postgresql://", "postgresql+psycopg://")
        variables = {"USUAL_BROKER": broker.url, "USUAL_DATABASE": address, "USUAL_API": api.url}
        _make_table(variables, address)
        worker = _worker(programs, "benchmarks.speed.usual", variables | api.variables, "--queues", "checks,plan")
        with redis.Redis.from_url(broker.url) as queue, Celery(broker=broker.url) as app:
            position = 0

            def feed() -> None:
                nonlocal position
                if queue.llen("checks") < _QUEUED and not queue.llen("plan"):
                    app.send_task("plan", args=(position, position + _QUEUED), queue="plan")
                    position = (position + _QUEUED) % PROJECTS
                time.sleep(0.05)

            first = api.answered()
            while api.answered() < first + 50:
                feed()
            run = _measure([worker], url, broker, api, seconds, feed)
            queue.delete("checks", "plan")
        return run


def _make_table(variables: Mapping[str, str], address: str) -> None:
    import os  # noqa: PLC0415  the design reads its environment when it is imported

    os.environ.update(variables)
    from benchmarks.speed.usual import Base, Render  # noqa: PLC0415  as said

    engine = create_engine(address)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Render), [{"project_id": f"project-{n:07}"} for n in range(PROJECTS)])
    engine.dispose()


def _measure(
    programs: list[int], url: str, broker: Redis, api: Api, seconds: float, meanwhile: Callable[[], None]
) -> Run:
    ours = [pid for program in programs for pid in with_children(program)]
    groups = [ours, backends(url), [broker.process], [api.process]]
    started, first, commands = time.monotonic(), api.answered(), broker.commands()
    before = [cpu_of(group) for group in groups]
    while time.monotonic() < started + seconds:
        meanwhile()
    checks, elapsed = api.answered() - first, time.monotonic() - started
    each = [1000 * (cpu_of(group) - used) / checks for group, used in zip(groups, before, strict=True)]
    memory = max(map(resident, ours))
    worker, database, queue, stand_in = each
    return Run(checks / elapsed, worker, database, queue, stand_in, (broker.commands() - commands) / checks, memory)
