"""Open requests end when their token or session does."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from tests.store.world import track
from tests.support.processes import wait_for
from tests.web.conftest import Served, served, token_for
from worker.store.access_tokens import close_session, open_session, revoke_token
from worker.store.engine import Database, clock
from worker.store.models import ApiToken

PATIENCE = 60


@pytest.fixture
def web(sqlite_url: str) -> Iterator[Served]:
    database = Database(sqlite_url)
    with served(database) as running:
        yield running
    database.close()


def revoke(database: Database) -> None:
    with database.write() as connection:
        assert revoke_token(connection, "tests")


def expire(database: Database) -> None:
    with database.write() as connection:
        past = clock(connection) - timedelta(seconds=1)
        connection.execute(update(ApiToken).values(expires_at=past))


def read_to_the_end(client: httpx.Client, path: str) -> int:
    """Return the status of the answer once it has ended as HTTP wants it."""
    with client.stream("GET", path) as response:
        for _ in response.iter_raw():
            pass
        return response.status_code


@pytest.mark.parametrize("end", [revoke, expire])
def test_a_stream_and_a_waiting_request_end_with_their_token(web: Served, end: Callable[[Database], None]) -> None:
    track(web.database, 1)
    broadcaster = web.state.broadcaster
    with ThreadPoolExecutor() as readers, web.client("read") as client:
        stream = readers.submit(read_to_the_end, client, "/v1/events")
        waiting = readers.submit(client.get, "/v1/projects/video/project-000001?wait=60")
        wait_for(lambda: broadcaster.streams.count and broadcaster.waits.count, PATIENCE, "both are open")
        end(web.database)
        assert stream.result(30) == 200
        assert waiting.result(30).json()["code"] == "unauthorized"


def test_the_live_updates_of_a_page_end_when_its_session_is_closed(web: Served) -> None:
    token_for(web.database, "read")
    with web.database.write() as connection:
        cookie = open_session(connection, 1, timedelta(hours=1))
    cookies = {"renderwatch": cookie}
    with (
        ThreadPoolExecutor() as readers,
        httpx.Client(base_url=web.url, cookies=cookies, timeout=70, trust_env=False) as client,
    ):
        stream = readers.submit(read_to_the_end, client, "/live")
        wait_for(lambda: web.state.broadcaster.pages.count, PATIENCE, "it is open")
        with web.database.write() as connection:
            close_session(connection, cookie)
        assert stream.result(30) == 200


def test_a_stream_outlives_the_looks_at_a_token_that_holds(web: Served) -> None:
    track(web.database, 1)
    with web.client("read") as client:
        assert client.get("/v1/projects/video/project-000001?wait=6").json()["status"] is None


def test_open_requests_end_by_themselves_when_the_server_stops(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(sqlite_url)
    with ThreadPoolExecutor() as readers, httpx.Client(timeout=70, trust_env=False) as client:
        with served(database) as web:
            client.headers["authorization"] = f"Bearer {token_for(database, 'read')}"
            stream = readers.submit(read_to_the_end, client, f"{web.url}/v1/events")
            wait_for(lambda: web.state.broadcaster.streams.count, PATIENCE, "it is open")
        assert stream.result(30) == 200
    database.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
