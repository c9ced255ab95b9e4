"""What load balancers and container managers ask, without logging in."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.web.conftest import Served, served
from worker.store.engine import Database


def get(web: Served, path: str) -> httpx.Response:
    return httpx.get(web.url + path, trust_env=False, timeout=10)


def test_a_web_process_with_its_database_is_alive_and_ready(web: Served) -> None:
    for path in ("/livez", "/readyz"):
        answer = get(web, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["cache-control"] == "no-store"
        assert httpx.head(web.url + path, trust_env=False).status_code == 200
    assert httpx.post(web.url + "/readyz", trust_env=False).status_code == 401


def test_without_tables_web_is_alive_but_not_ready(database: Database) -> None:
    with served(database) as web:
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE heartbeats RENAME TO elsewhere")
        assert get(web, "/livez").status_code == 200
        answer = get(web, "/readyz")
        assert answer.status_code == 503
        assert "renderwatch doctor" in answer.text


@contextmanager
def silent_server() -> Iterator[int]:
    """A database host that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    for connection in accepted:
        connection.close()


@pytest.mark.parametrize("host", ["silent", "gone"])
def test_with_the_database_away_web_is_alive_but_not_ready_and_says_so_at_once(host: str) -> None:
    with silent_server() as port:
        url = f"postgresql://nobody@127.0.0.1:{1 if host == 'gone' else port}/nothing"
        with served(Database(url)) as web:
            for _ in range(3):
                assert get(web, "/livez").status_code == 200
                asked = get(web, "/readyz")
                assert asked.status_code == 503
                assert asked.elapsed.total_seconds() < 5


def test_ready_again_once_the_database_is_back(database: Database) -> None:
    with served(database) as web:
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE heartbeats RENAME TO elsewhere")
        assert get(web, "/readyz").status_code == 503
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO heartbeats")
        threading.Event().wait(1.1)  # as long as an answer is kept
        assert get(web, "/readyz").status_code == 200
