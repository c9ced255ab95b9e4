"""What end-to-end tests read: rows of the store, and the events that the downstream application received."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import text

from tests.support.event_schemas import check_payload
from tests.support.services import Broker
from worker.store.engine import Database

INTAKE = "renderwatch.intake"
TRACK = "renderwatch.track"


@dataclass(frozen=True)
class Store:
    """The database as a reader sees it."""

    database: Database

    def rows(self, query: str, **values: object) -> list[Any]:
        """Return all rows of a query."""
        with self.database.read() as connection:
            return list(connection.execute(text(query), values).mappings())

    def value(self, query: str, **values: object) -> Any:  # noqa: ANN401  whatever the column holds
        """Return the first column of the first row."""
        with self.database.read() as connection:
            return connection.execute(text(query), values).scalar()

    def states(self) -> dict[str, int]:
        """Return how many projects are in which state."""
        found = self.rows("SELECT state, count(*) AS number FROM tracked_projects GROUP BY state")
        return {row["state"]: row["number"] for row in found}

    def all_closed(self, count: int) -> bool:
        """Whether so many projects are stored and all of them are closed."""
        return self.states() == {"closed": count}

    def refusals(self) -> list[str]:
        """Return the reasons of all refused requests, oldest first."""
        return [row["reason"] for row in self.rows("SELECT reason FROM rejected_requests ORDER BY id")]


@contextmanager
def reading(url: str) -> Iterator[Store]:
    """Open the database for a reader."""
    database = Database(url)
    try:
        yield Store(database)
    finally:
        database.close()


@dataclass(frozen=True)
class Received:
    """One call of a downstream task."""

    task: str
    task_id: str
    event: dict[str, Any]
    trace: dict[str, Any]


def received(file: Path) -> list[Received]:
    """Return what the downstream application's tasks were called with: events as their schemas say."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    calls = [Received(**json.loads(line)) for line in lines]
    for call in calls:
        check_payload(call.event)
    return calls


def other_service(broker: Broker) -> Celery:
    """Return the Celery application of a service that hands over ids. It has nothing but the broker's address."""
    return Celery(f"shop-{uuid.uuid4().hex}", broker=broker.url, set_as_current=False, changes=_options(broker))


def _options(broker: Broker) -> dict[str, Any]:
    # As examples/enqueue.py has it: a broker that is frozen must not freeze whoever sends.
    return {"broker_transport_options": {"socket_timeout": 5, "socket_connect_timeout": 5} | broker.options}


def hand_over(broker: Broker, *messages: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
    """Send tracking requests, as any service would, with headers of a tracing library."""
    with other_service(broker) as app:
        for message in messages:
            app.send_task(TRACK, kwargs=message, queue=INTAKE, headers=headers)


def entry(project: Any, **more: object) -> dict[str, Any]:  # noqa: ANN401  a simulator's project
    """Return the tracking request for a project, right after its create call."""
    price = project.life.moments[0].credits_charged
    return {"kind": project.endpoint.kind, "project_id": project.id, "credits_charged": price, **more}


def is_subsequence(seen: Sequence[str], real: Sequence[str]) -> bool:
    """Whether `seen` is `real` with nothing but omissions."""
    rest = iter(real)
    return all(status in rest for status in seen)
