"""The same renders followed with webhooks that get lost, repeated, reordered and forged, and by polling alone.

python -m benchmarks.polling.webhooks [--projects 400]    (four minutes for each run)

Both must end in the same history, ledger and events. The simulator runs ten times as fast as the real API, so that
1 s here is 10 s there.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from sqlalchemy import Connection, text

from worker.asgi_server import AsgiServer
from worker.settings import Settings
from worker.simulator import Simulator, SimulatorOptions, WebhookOptions, running_simulator
from worker.simulator.lifecycle.projects import Project as Render
from worker.store.engine import Database
from worker.store.scheduling.leases import Batch
from worker.store.schema import migrate
from worker.tracking.check import check
from worker.tracking.clients import Clients
from worker.tracking.dispatch import dispatch
from worker.tracking.intake.track import track
from worker.tracking.learn_durations import LearnedDurations, learn_durations
from worker.web.app import create_app

PATHS = ("/v1/ai-image-generator", "/v1/ai-voice-generator", "/v1/text-to-video", "/v1/ai-talking-photo")
# The conditions under which both must end alike.
SHARES = {"lost": 0.3, "duplicated": 0.3, "reordered": 0.3, "forged": 0.1}
ENDS = ("complete", "error", "canceled")
_SECRET = "whsec_of-the-benchmark"  # noqa: S105  opens nothing


@dataclass(frozen=True)
class Pace:
    """How fast everything is: the simulator's scale, seconds between renders, and between two dispatches."""

    scale: float = 10.0
    every: float = 0.25
    tick: float = 0.1
    learn_every: float = 6.0
    patience: float = 600.0


@dataclass(frozen=True)
class Followed:
    """What became of the renders, by kind and id, what it took, and how late each end was detected."""

    endings: Mapping[tuple[str, str], tuple[Any, ...]]
    requests: float
    requests_until_end: float
    delays: Sequence[float]
    unreported: Sequence[float]
    webhooks: Mapping[str, int] = field(default_factory=dict)

    def line(self, name: str) -> str:
        """Return the figures as a line of the table."""
        polled = sorted(self.unreported) or [0.0]
        late = polled[int(0.95 * (len(polled) - 1))]
        figures = f"{self.requests_until_end:16.2f}{self.requests:10.2f}{mean(self.delays):12.2f}s{late:16.2f}s"
        return f"{name:34}{figures}"


HEADER = f"{'':34}{'until the end':>16}{'all in':>10}{'mean delay':>13}{'p95, polled':>17}"


def follow(url: str, count: int, pace: Pace, shares: Mapping[str, float] | None) -> Followed:
    """Create renders, follow them until all are closed, and say what became of them. ``shares`` None: no webhooks.

    The database has all tables.
    """
    database = Database(url)
    options = SimulatorOptions(seed=11, time_scale=pace.scale, failure_rate=0.1, cancel_rate=0.05, no_refund_rate=0.0)
    with running_simulator(options) as simulator:
        settings = _settings(url, simulator, pace)
        with _webhooks(database, settings, simulator, shares), _working(database, settings, pace):
            renders = _create(simulator, database, settings, count, pace)
            _wait(lambda: _count(database, "state <> 'closed'") == 0, pace.patience)
            stats = simulator.stats()["webhooks"]
        followed = _read(database, renders, stats)
    database.close()
    return followed


def _settings(url: str, simulator: Simulator, pace: Pace) -> Settings:
    given: dict[str, Any] = {
        "database_url": url,
        "magic_hour_api_key": "any",
        "magic_hour_base_url": simulator.url,
        "magic_hour_webhook_secrets": {"default": _SECRET},
        "rate": 1000,
        "burst": 5000,
        "target_detection_delay": max(0.5, 5 / pace.scale),
        "least_gap": 2 / pace.scale,
        "greatest_gap": 120 / pace.scale,
        "settle_gaps": [each / pace.scale for each in (30, 120, 300)],
        "refund_gaps": [300 / pace.scale] * 2,
    }
    return Settings(**given)


@contextmanager
def _webhooks(
    database: Database, settings: Settings, simulator: Simulator, shares: Mapping[str, float] | None
) -> Iterator[None]:
    if shares is None:
        yield
        return
    with AsgiServer(create_app(settings, database), "127.0.0.1", 0).serving_in_thread() as web:
        given = WebhookOptions(url=f"{web}/hooks/magic-hour/default", secret=_SECRET, **shares)
        with simulator.sending_webhooks(given):
            yield


@contextmanager
def _working(database: Database, settings: Settings, pace: Pace) -> Iterator[None]:
    """Dispatch, check, record and learn in threads, as the processes do."""
    stopped = threading.Event()
    durations = LearnedDurations(database, pace.learn_every)

    def work() -> None:
        clients = Clients(settings)
        while not stopped.wait(pace.tick):
            batches: list[Batch] = []
            dispatch(database, settings, durations.durations(), batches.append)
            for batch in batches:
                check(database, settings, clients, durations.durations(), batch.token)
        clients.close()

    def learn() -> None:
        while not stopped.wait(pace.learn_every):
            learn_durations(database, settings.settle_gaps)

    threads = [threading.Thread(target=work), threading.Thread(target=learn)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _create(simulator: Simulator, database: Database, settings: Settings, count: int, pace: Pace) -> list[Render]:
    random, renders = Random(3), []
    for number in range(count):
        (render,) = simulator.create(1, PATHS[number % len(PATHS)])
        price = render.life.moments[0].credits_charged
        item = {"kind": render.kind, "project_id": render.id, "credits_charged": price}
        track(database, settings, [item])
        renders.append(render)
        time.sleep(random.expovariate(1 / pace.every))
    return renders


def _wait(fact: Any, seconds: float) -> None:  # noqa: ANN401  a function
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError("not all renders were closed in time")
        time.sleep(0.2)


def _count(database: Database, condition: str) -> int:
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM tracked_projects WHERE {condition}")).scalar_one())  # noqa: S608  our own


def _read(database: Database, renders: Sequence[Render], webhooks: Mapping[str, int]) -> Followed:
    with database.read() as connection:
        rows = {row.project_id: row for row in connection.execute(text(_PROJECTS))}
        endings = {(row.kind, row.project_id): _ending(connection, row) for row in rows.values()}
        reported = set(connection.scalars(text(_REPORTED)))
    late = {render.id: _seconds(rows[render.id].finished_at) - render.created_at - _end(render) for render in renders}
    return Followed(
        endings=endings,
        requests=mean(row.check_count for row in rows.values()),
        requests_until_end=mean(row.checks_until_finished for row in rows.values()),
        delays=list(late.values()),
        unreported=[late[id_] for id_ in late if rows[id_].id not in reported],
        webhooks=webhooks,
    )


_PROJECTS = (
    "SELECT id, kind, project_id, state, status, credits_charged, error_code, close_reason, finished_at, check_count,"
    " checks_until_finished FROM tracked_projects"
)
_REPORTED = (
    "SELECT tracked_project_id FROM status_transitions"
    " WHERE source = 'hint' AND to_status IN ('complete', 'error', 'canceled')"
)
# Which of the running statuses were seen, and in how many steps the price changed, is a matter of when one looks.
_LASTING = (
    "SELECT type FROM events WHERE tracked_project_id = :id"
    " AND type NOT IN ('project.started', 'project.credits_adjusted') ORDER BY sequence"
)
_ENDS = (
    "SELECT to_status FROM status_transitions WHERE tracked_project_id = :id"
    " AND to_status IN ('complete', 'error', 'canceled') ORDER BY sequence"
)
_LEDGER = "SELECT sum(amount) FROM credit_adjustments WHERE tracked_project_id = :id"


def _ending(connection: Connection, row: Any) -> tuple[Any, ...]:  # noqa: ANN401  a row
    key = {"id": row.id}
    events, ends = (tuple(connection.scalars(text(each), key)) for each in (_LASTING, _ENDS))
    ledger = connection.scalar(text(_LEDGER), key)
    return row.status, row.credits_charged, int(ledger or 0), row.error_code, row.close_reason, events, ends


def _seconds(moment: Any) -> float:  # noqa: ANN401  a time, or SQLite's text
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return float((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _end(render: Render) -> float:
    return next(moment.at for moment in render.life.moments if moment.status in ENDS)


def main() -> int:
    """Run all, print all; the exit code is 1 unless all end alike and webhooks save requests."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--projects", type=int, default=400)
    count: int = arguments.parse_args().projects
    runs = {
        "polling alone": None,
        "webhooks, 30 % lost, forged, …": SHARES,
        "webhooks, 10 % lost": {"lost": 0.1},
    }
    print(f"requests per project; seconds here are {Pace.scale:g} of the real API\n{HEADER}", flush=True)
    results = []
    for name, shares in runs.items():
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'benchmark.db'}"
            database = Database(url)
            migrate(database)
            database.close()
            results.append(follow(url, count, Pace(), shares))
        print(results[-1].line(name), flush=True)
    alike = all(each.endings == results[0].endings for each in results)
    print(f"webhooks: {dict(results[1].webhooks)}")
    print("all end in the same history, ledger and events" if alike else "THEY END DIFFERENTLY")
    return int(not alike or results[1].requests_until_end >= results[0].requests_until_end)


if __name__ == "__main__":
    sys.exit(main())
