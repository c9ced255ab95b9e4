"""How long it takes from an end at the API to the start of another team's Celery task that is told of it.

python -m benchmarks.speed.latency [--projects 60]

With default settings, by which nothing is overdue. The way is split where the API first tells of the end. Before that
lies the wait for the next check, half the gap between two checks if all is well; after it the pipeline: record, event,
delivery, and the message to the other team's worker. What one message takes alone is measured on the way.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from celery import Celery

from benchmarks.speed.downstream import QUEUE
from benchmarks.speed.machine import Api, Redis, redis_server, stand_in
from benchmarks.speed.projects import fill
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import POSTGRES_URL, Broker, postgres_database

PROJECTS: Final = 60
_WARM_UP: Final = 3  # projects that nobody counts
_EVERY: Final = 1.0  # seconds from one end to the next, on average
_SEEN_WITHIN: Final = 300.0
_HALF_A_GAP: Final = """
SELECT avg(extract(epoch FROM observed_at - observed_after)) / 2 FROM status_transitions WHERE to_status = 'complete'
"""


@dataclass(frozen=True)
class Latency:
    """Seconds: from ends to checks, from checks to tasks, from sending plain messages to tasks; and half the gap."""

    waits: tuple[float, ...]
    pipeline: tuple[float, ...]
    plain: tuple[float, ...]
    half_a_gap: float


def measure(projects: int) -> Latency:
    """Let projects end one after the other, and send a plain message for each."""
    with (
        tempfile.TemporaryDirectory() as name,
        stand_in(Path(name)) as api,
        redis_server() as broker,
        redirect_stdout(None),
        postgres_database(POSTGRES_URL) as url,
        Programs(Path(name)) as programs,
    ):
        fill(url, projects + _WARM_UP)
        notes = Path(name, "notes")
        notes.touch()
        routes = {"project.completed": [f"celery:downstream.news?queue={QUEUE}"]}
        variables = environment(url, Broker(broker.url), api.url, routes=routes)
        programs.worker(variables, options="--concurrency 2 --loglevel INFO")
        programs.beat(variables)
        told = {"NOTES": str(notes), "CELERY_BROKER_URL": broker.url}
        options = f"--concurrency 2 --loglevel INFO -Q {QUEUE}"
        programs.worker(told, "downstream", app="benchmarks.speed.downstream", options=options)
        return _watch(api, broker, url, notes, projects)


def _watch(api: Api, broker: Redis, url: str, notes: Path, projects: int) -> Latency:
    wait_for(lambda: api.answered() >= projects + _WARM_UP, 120, "every project has been seen once")
    names = [f"project-{n:07}" for n in range(projects + _WARM_UP)]
    sent: dict[str, float] = {}
    with Celery(broker=broker.url) as other:
        for name in names:
            api.get(f"/end/{name}")
            time.sleep(random.uniform(0, _EVERY))
            sent[f"plain-{name}"] = time.monotonic()
            other.send_task("downstream.plain", args=(f"plain-{name}",), queue=QUEUE, ignore_result=True)
            time.sleep(random.uniform(0, _EVERY))
    expected = {*names, *sent}
    wait_for(lambda: expected <= _read(notes).keys(), _SEEN_WITHIN, "every end has been told")
    started, counted = _read(notes), names[_WARM_UP:]
    ends = {name: api.get(f"/told/{name}") for name in counted}
    with psycopg.connect(url) as connection:
        (half_a_gap,) = connection.execute(_HALF_A_GAP).fetchone() or (0,)
    return Latency(
        tuple(told - ended for ended, told in ends.values()),
        tuple(started[name] - ends[name][1] for name in counted),
        tuple(started[f"plain-{name}"] - sent[f"plain-{name}"] for name in counted),
        float(half_a_gap),
    )


def _read(notes: Path) -> dict[str, float]:
    return dict(json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=PROJECTS)
    report(parser.parse_args().projects)


def report(projects: int = PROJECTS) -> None:
    """Measure, and print the table."""
    found = measure(projects)
    print(f"| from the end at the API to the start of a task, {projects} projects | median | 95 % |\n|---|--:|--:|")
    print(f"| wait for the next check | {_seconds(found.waits)} |")
    print(f"| from the API's answer to the task | {_seconds(found.pipeline)} |")
    print(f"| a plain Celery message, from sending to the task | {_seconds(found.plain)} |")
    times = [_quantile(found.pipeline, share) / _quantile(found.plain, share) for share in (0.5, 0.95)]
    print(f"| pipeline / plain message | {times[0]:.1f} | {times[1]:.1f} |")
    mean = sum(found.waits) / len(found.waits)
    print(
        f"\nThe mean wait was {mean:.2f} s, {mean / found.half_a_gap:.2f} times half of the gaps between checks.\n",
        flush=True,
    )


def _seconds(values: Iterable[float]) -> str:
    each = tuple(values)
    return " | ".join(f"{1000 * _quantile(each, share):,.0f} ms" for share in (0.5, 0.95))


def _quantile(values: Iterable[float], share: float) -> float:
    each = sorted(values)
    return each[min(len(each) - 1, int(share * len(each)))]


if __name__ == "__main__":
    main()
