"""Whoever resumes receives everything that was missed, however much; whoever keeps up is never cut off by a burst."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tests.adversary.web_process import WebProcess, web_process
from tests.store.world import track
from worker.store.engine import Database, clock
from worker.store.ids import new_event_id
from worker.store.models import Event, TrackedProject

MISSED = 25_000
BURST = 3_000


@pytest.fixture
def web(postgres_url: str, tmp_path: Path) -> Iterator[WebProcess]:
    with web_process(postgres_url, tmp_path) as running:
        yield running


def store_events(database: Database, first: int, count: int, age: float = 0.0) -> list[str]:
    """Store events of one project in one transaction, and return their ids."""
    with database.write() as connection:
        project = connection.scalar(select(TrackedProject.id))
        at = clock(connection) - timedelta(seconds=age)
        rows: list[dict[str, Any]] = []
        ids: list[str] = []
        for number in range(first, first + count):
            event_id = new_event_id()
            ids.append(event_id)
            payload = {
                "id": event_id,
                "type": "project.changed",
                "kind": "video",
                "account": "default",
                "number": number,
            }
            key = {"tracked_project_id": project, "sequence": number, "dedup_key": str(number)}
            rows.append({"id": event_id, "type": "project.changed", "payload": payload, "created_at": at, **key})
        connection.execute(insert(Event), rows)
    return ids


class Stream:
    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.ids: list[str] = []

    def until(self, count: int) -> list[str]:
        """Read until so many different events came."""
        while len(set(self.ids)) < count:
            line = next(self._lines)
            if line.startswith("data: "):
                self.ids.append(json.loads(line.removeprefix("data: "))["id"])
        return self.ids

    def until_live(self) -> list[str]:
        for line in self._lines:
            if line == ": live":
                break
            if line.startswith("id: "):
                self.ids.append(line.removeprefix("id: "))
        return self.ids


@contextmanager
def streaming(client: httpx.Client, last: str | None = None) -> Iterator[Stream]:
    headers = {"last-event-id": last} if last else {}
    with client.stream("GET", "/v1/events", headers=headers) as response:
        assert response.status_code == 200
        yield Stream(response)


def test_everything_that_was_missed_comes_however_much(web: WebProcess) -> None:
    track(web.database, 1)
    (last,) = store_events(web.database, 1, 1, age=7200)
    missed = [
        event_id
        for first in range(2, MISSED + 2, 5_000)
        for event_id in store_events(web.database, first, 5_000, age=3600)
    ]
    with web.client("read") as client, streaming(client, last) as stream:
        received = stream.until_live()
        assert len(received) == MISSED
        assert set(received) == set(missed)
        (fresh,) = store_events(web.database, MISSED + 2, 1)
        assert stream.until(MISSED + 1)[-1] == fresh


def test_an_event_that_became_visible_late_is_not_missed(web: WebProcess) -> None:
    """Its transaction began before, and ended after, that of the last event which the consumer has."""
    track(web.database, 1)
    with web.client("read") as client:
        slow = Database(web.database.engine.url.render_as_string(hide_password=False))
        with slow.write() as connection:
            late = new_event_id()
            project = connection.scalar(select(TrackedProject.id))
            payload = {"id": late, "type": "project.changed", "kind": "video", "account": "default"}
            key = {"tracked_project_id": project, "sequence": 50, "dedup_key": "late"}
            connection.execute(
                insert(Event),
                [{"id": late, "type": "project.changed", "payload": payload, "created_at": clock(connection), **key}],
            )
            (last,) = store_events(web.database, 1, 1)
            with streaming(client) as stream:
                stream.until_live()
        with streaming(client, last) as stream:
            assert late in stream.until_live()
        slow.close()


def test_a_burst_ends_no_stream_that_keeps_up(web: WebProcess) -> None:
    track(web.database, 1)
    with web.client("read") as client, streaming(client) as stream:
        stream.until_live()
        stored = store_events(web.database, 1, BURST) + store_events(web.database, BURST + 1, BURST)
        assert set(stream.until(2 * BURST)) == set(stored)
        assert len(stream.ids) == 2 * BURST
        (fresh,) = store_events(web.database, 2 * BURST + 1, 1)
        assert stream.until(2 * BURST + 1)[-1] == fresh


def test_a_consumer_that_stands_still_catches_up(web: WebProcess) -> None:
    """More events come than are kept in memory, while nothing is read."""
    track(web.database, 1)
    with web.client("read") as client, streaming(client) as stream:
        stream.until_live()
        stored = [each for first in range(1, 12_001, 3_000) for each in store_events(web.database, first, 3_000)]
        with streaming(client) as other:  # who keeps up, so that everything has gone through
            other.until_live()
            (fresh,) = store_events(web.database, 12_001, 1)
            while fresh not in other.ids:
                other.until(len(set(other.ids)) + 1)
        assert set(stream.until(12_001)) == {*stored, fresh}


def test_an_unknown_event_is_answered_as_such(web: WebProcess) -> None:
    with web.client("read") as client:
        answer = client.get("/v1/events", headers={"last-event-id": new_event_id()})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_event")
