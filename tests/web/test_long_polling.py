import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.store.world import request, seen, track
from tests.support.processes import wait_for
from tests.web.conftest import Served, answer_all, served, token_for
from worker.store.engine import Database

PATH = "/v1/projects/video/project-000001"


def test_waiting_ends_with_the_next_status(api: httpx.Client, web: Served) -> None:
    track(web.database, 1)
    got: list[str | None] = []
    waiter = threading.Thread(target=lambda: got.append(api.get(PATH, params={"wait": 60}).json()["status"]))
    waiter.start()
    broadcaster = web.state.broadcaster
    wait_for(lambda: broadcaster.polls > 0, 30, "the broadcaster polls")
    answer_all(web.database, seen("queued"))
    waiter.join(30)
    assert got == ["queued"]


def test_what_was_seen_is_compared_so_that_no_change_is_missed(api: httpx.Client, web: Served) -> None:
    track(web.database, 1)
    answer_all(web.database, seen("queued"), seen("rendering"))
    found = api.get(PATH, params={"wait": 60, "seen": "queued"}).json()
    assert found["status"] == "rendering"


def test_waiting_ends_when_the_time_is_over_and_at_once_for_what_has_ended(api: httpx.Client, web: Served) -> None:
    track(web.database, 1)
    started = time.monotonic()
    assert api.get(PATH, params={"wait": 0.2}).json()["status"] is None
    assert time.monotonic() - started >= 0.2
    answer_all(web.database, seen("complete", 300))
    assert api.get(PATH, params={"wait": 60}).json()["status"] == "complete"


def test_a_thousand_waiters_cost_one_look_at_a_time(database: Database) -> None:
    track(database, *range(1, 1001))
    token = token_for(database, "read")

    async def ask(client: httpx.AsyncClient, number: int) -> str:
        path = f"/v1/projects/video/project-{number:06}"
        return str((await client.get(path, params={"wait": 60})).json()["status"])

    async def everybody(web: Served) -> list[str]:
        broadcaster = web.state.broadcaster
        limits = httpx.Limits(max_connections=None)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=web.url, headers=headers, limits=limits, timeout=120, trust_env=False
        ) as client:
            asked = [asyncio.create_task(ask(client, number)) for number in range(1, 1001)]
            while broadcaster.waits.count < 1000:  # noqa: ASYNC110  the broadcaster runs in another thread
                await asyncio.sleep(0.05)
            before = broadcaster.polls
            await asyncio.to_thread(answer_all, database, seen("queued"))
            got = await asyncio.gather(*asked)
            # The database says how long it took; what counts is that looks do not grow with the waiters.
            assert broadcaster.polls - before < 100
            return list(got)

    with served(database) as web:
        assert asyncio.run(everybody(web)) == ["queued"] * 1000


class Stream:
    """What a consumer of /v1/events received."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines = response.iter_lines()

    def until_live(self) -> list[str]:
        """Event ids up to the moment when nothing is missing any more."""
        ids: list[str] = []
        for line in self.lines:
            if line == ": live":
                return ids
            if line.startswith("id: "):
                ids.append(line.removeprefix("id: "))
        raise AssertionError("the stream ended")

    def next(self) -> dict[str, object]:
        for line in self.lines:
            if line.startswith("data: "):
                payload: dict[str, object] = json.loads(line.removeprefix("data: "))
                return payload
        raise AssertionError("the stream ended")


@contextmanager
def streaming(api: httpx.Client, last: str | None = None, **filters: str) -> Iterator[Stream]:
    headers = {"last-event-id": last} if last else {}
    with api.stream("GET", "/v1/events", params=filters, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def test_events_arrive_as_they_happen_and_who_reconnects_misses_none(api: httpx.Client, web: Served) -> None:
    track(web.database, 1)
    with streaming(api) as stream:
        assert stream.until_live() == []
        answer_all(web.database, seen("rendering"))
        first = stream.next()
        assert (first["type"], first["project_id"]) == ("project.started", "project-000001")
    answer_all(web.database, seen("complete", 300))
    with streaming(api, str(first["id"])) as stream:
        missed = stream.until_live()
        assert len(missed) >= 1
        assert first["id"] not in missed
        track(web.database, 2)
        answer_all(web.database, seen("complete", 300))
        following = stream.next()
        assert following["id"] not in missed
        assert following["project_id"] == "project-000002"


def test_events_can_be_filtered(api: httpx.Client, web: Served) -> None:
    track(web.database, request(1), request(2, kind="image", account="studio"))
    with streaming(api, type="project.completed", account="studio", kind="image") as stream:
        stream.until_live()
        answer_all(web.database, seen("rendering"))
        answer_all(web.database, seen("complete", 300))
        found = stream.next()
        assert (found["type"], found["account"]) == ("project.completed", "studio")


@pytest.mark.parametrize("query", ["type=project.done", "kind=film", "account=%00"])
def test_a_wrong_filter_is_refused(api: httpx.Client, query: str) -> None:
    assert api.get(f"/v1/events?{query}").status_code == 422


def test_an_unknown_last_event_is_answered_as_such(api: httpx.Client) -> None:
    for unknown in ("01998f4e-nothing", "\u00e9".encode().decode("latin-1"), "x" * 100):
        answer = api.get("/v1/events", headers={b"last-event-id": unknown.encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_event")
