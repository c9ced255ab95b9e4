"""Tracking requests of one id each: messages per second, CPU per message, and how soon a lone one is stored.

python -m benchmarks.speed.messages [COUNT]
"""

import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg
from celery import Celery
from sqlalchemy import create_engine

from benchmarks.speed.machine import backends, cpu_of, redis_server, with_children
from tests.support.processes import Program, Programs, environment
from tests.support.services import POSTGRES_URL, Broker, postgres_database, rabbitmq_broker
from worker.store.engine import Database
from worker.store.schema import migrate

COUNT: Final = 5000
_LONE: Final = 20
_OPTIONS: Final = "-c 2 -l WARNING"
_PATIENCE: Final = 300


@dataclass(frozen=True)
class Cost:
    """Messages per second; and the CPU milliseconds of each, by who used them."""

    rate: float
    worker: float
    database: float
    broker: float

    @property
    def cpu(self) -> float:
        """All of it."""
        return self.worker + self.database + self.broker


def main(count: int = COUNT) -> None:
    """Measure both on both brokers, and print a table."""
    columns = "messages/s | ms of CPU each | worker | database | broker | a lone one (ms)"
    print(f"\n| {count:,} messages of one id | {columns} |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for name, opened in (("Redis", _redis), ("RabbitMQ", _rabbitmq)):
        with opened() as (broker, process):
            ours, lone = _ours(broker, process, count)
            _print(f"Renderwatch, {name}", ours, f"{lone:.0f}")
            plain = _plain(broker, process, count)
            _print(f"a plain Celery task, {name}", plain, "")
            print(
                f"| | {ours.rate / plain.rate:.1f} times | {plain.cpu / ours.cpu:.1f} times less | | | | |", flush=True
            )


def _print(name: str, cost: Cost, lone: str) -> None:
    parts = f"{cost.worker:.2f} | {cost.database:.2f} | {cost.broker:.2f}"
    print(f"| {name} | {cost.rate:,.0f} | {cost.cpu:.2f} | {parts} | {lone} |", flush=True)


@contextmanager
def _redis() -> Iterator[tuple[Broker, int]]:
    with redis_server() as server:
        yield Broker(server.url), server.process


@contextmanager
def _rabbitmq() -> Iterator[tuple[Broker, int]]:
    """Give the server of the tests; what others make it do is counted too."""
    with rabbitmq_broker() as broker:
        names = ((path.parent, path.read_text(encoding="utf-8")) for path in Path("/proc").glob("[0-9]*/comm"))
        yield broker, next(int(folder.name) for folder, name in names if name.startswith("beam"))


def _ours(broker: Broker, process: int, count: int) -> tuple[Cost, float]:
    with postgres_database(POSTGRES_URL) as url, _programs() as programs:
        database = Database(url)
        migrate(database)
        database.close()
        variables = environment(url, broker, "http://127.0.0.1:9")
        with redirect_stdout(None):
            worker = programs.worker(variables, options="-c 2 -l INFO")
        with Celery("sender", broker=broker.url, set_as_current=False) as sender:
            lone = _lone(sender, url)
            cost = _drain(worker, process, url, "tracked_projects", count, lambda: _send_ours(sender, count))
        return cost, lone


def _send_ours(sender: Celery, count: int) -> None:
    same = {"kind": "video", "credits_charged": 450, "metadata": {"order": 7}}
    for number in range(count):
        fields = same | {"project_id": f"project-{number:06}"}
        sender.send_task("renderwatch.track", kwargs=fields, queue="renderwatch.intake")


def _lone(sender: Celery, url: str) -> float:
    """Return after how many milliseconds a message that comes alone is stored, in the middle of some."""
    waits = []
    for _ in range(_LONE):
        project_id = f"lone-{uuid.uuid4().hex}"
        sent = time.time()
        sender.send_task(
            "renderwatch.track", kwargs={"kind": "image", "project_id": project_id}, queue="renderwatch.intake"
        )
        time.sleep(0.3)
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM tracked_at) FROM tracked_projects WHERE project_id = %s", [project_id]
            ).fetchone()
        waits.append(1000 * (float(row[0]) - sent) if row else 300.0)
    return median(waits)


def _plain(broker: Broker, process: int, count: int) -> Cost:
    with postgres_database(POSTGRES_URL) as url, _programs() as programs:
        driver = url.replace("postgresql://", "postgresql+psycopg://")
        variables = {"PLAIN_BROKER": broker.url, "PLAIN_DATABASE": driver}
        os.environ |= variables
        from benchmarks.speed import plain_task  # noqa: PLC0415  it reads the variables

        engine = create_engine(driver)  # the module's own is the first broker's
        plain_task.Base.metadata.create_all(engine)
        engine.dispose()
        with redirect_stdout(None):
            worker = programs.worker(variables, app="benchmarks.speed.plain_task", options="-c 2 -l INFO")
        with Celery("sender", broker=broker.url, set_as_current=False) as sender:

            def send() -> None:
                for number in range(count):
                    fields = {"kind": "video", "project_id": f"project-{number:06}"}
                    sender.send_task("track", kwargs=fields, queue="plain")

            return _drain(worker, process, url, "renders", count, send)


def _drain(worker: Program, broker: int, url: str, table: str, count: int, send: Any) -> Cost:  # noqa: ANN401  a function
    """Let a worker find a full queue, and measure until it is empty."""
    with psycopg.connect(url, autocommit=True) as connection:

        def stored() -> int:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  our own words
            return int(row[0]) if row else 0

        before = stored()
        send_frozen(worker, send)
        parts = {"worker": with_children(worker.process.pid), "database": backends(url), "broker": [broker]}
        used = {name: cpu_of(pids) for name, pids in parts.items()}
        began = time.perf_counter()
        os.killpg(worker.process.pid, signal.SIGCONT)
        while stored() < before + count:
            if time.perf_counter() > began + _PATIENCE:
                raise SystemExit(f"after {_PATIENCE} s only {stored() - before} of {count} are stored")
            time.sleep(0.05)
        took = time.perf_counter() - began
        parts["database"] = sorted({*parts["database"], *backends(url)})  # children connect when they are first used
        spent = {name: 1000 * (cpu_of(pids) - used[name]) / count for name, pids in parts.items()}
    return Cost(count / took, spent["worker"], spent["database"], spent["broker"])


def send_frozen(worker: Program, send: Any) -> None:  # noqa: ANN401  as above
    """Send while the worker stands still."""
    os.killpg(worker.process.pid, signal.SIGSTOP)
    send()


@contextmanager
def _programs() -> Iterator[Programs]:
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(Path(folder))
        try:
            yield programs
        finally:
            with redirect_stdout(None):
                programs.__exit__(None, None, None)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
