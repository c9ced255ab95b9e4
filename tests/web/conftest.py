import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.store.world import begin, claim, make_due, record
from worker.domain.observation import Answer
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.tokens import create_token
from worker.web.app import create_app
from worker.web.server import WebServer

KEYS = {"default": "mhk_live_key-of-the-tests", "studio": "mhk_live_key-of-the-studio"}


def token_for(database: Database, *scopes: str, name: str = "tests") -> str:
    with database.write() as connection:
        return create_token(connection, name, scopes, "tests")


def answer_all(database: Database, *answers: Answer) -> None:
    """Let every project get these answers, one after the other."""
    for one in answers:
        make_due(database)
        for batch in claim(database, batch_size=2000):
            lease = begin(database, batch.token)
            assert lease
            record(database, lease, one)


@dataclass(frozen=True)
class Served:
    """A web process on a free port."""

    url: str
    database: Database
    app: Any

    def client(self, *scopes: str, name: str = "tests") -> httpx.Client:
        """A client with a new token of these scopes."""
        token = token_for(self.database, *scopes, name=name)
        return httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=70, trust_env=False
        )


@contextmanager
def served(database: Database, **settings: Any) -> Iterator[Served]:  # noqa: ANN401  any setting
    given = Settings(**{"magic_hour_api_keys": KEYS, "notify_allow": ["celery:studio.*"]} | settings)
    app = create_app(given, database)
    urls: list[str] = []
    listening = threading.Event()

    def announce(url: str) -> None:
        urls.append(url)
        listening.set()

    server = WebServer(app, "127.0.0.1", 0, announce)
    thread = threading.Thread(target=server.serve_until_stopped, daemon=True)
    thread.start()
    try:
        assert listening.wait(30), "the web server did not start"
        yield Served(urls[0], database, app)
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def web(database: Database) -> Iterator[Served]:
    with served(database) as running:
        yield running


@pytest.fixture
def api(web: Served) -> Iterator[httpx.Client]:
    """A client that may do everything."""
    with web.client("track", "read", "operate") as client:
        yield client
