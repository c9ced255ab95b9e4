from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.store.world import begin, claim, make_due, record
from worker.asgi_server import AsgiServer
from worker.domain.projects.observation import Answer
from worker.settings import Settings
from worker.store.access_tokens import create_token
from worker.store.engine import Database
from worker.web.app import create_app

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


def inner_app(app: Any) -> Any:  # noqa: ANN401  FastAPI's, inside the middleware that wraps it
    while hasattr(app, "_app"):
        app = app._app
    return app


@dataclass(frozen=True)
class Served:
    """A web process on a free port."""

    url: str
    database: Database
    app: Any

    @property
    def state(self) -> Any:  # noqa: ANN401  tests look inside
        """What the process keeps between requests."""
        return inner_app(self.app).state.web

    def client(self, *scopes: str, name: str = "tests") -> httpx.Client:
        """A client with a new token of these scopes."""
        token = token_for(self.database, *scopes, name=name)
        return httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=70, trust_env=False
        )


@contextmanager
def served(database: Database, *, port: int = 0, **settings: Any) -> Iterator[Served]:  # noqa: ANN401  any setting
    given = Settings(**{"magic_hour_api_keys": KEYS, "notify_allow": ["celery:studio.*"]} | settings)
    app = create_app(given, database)
    with AsgiServer(app, "127.0.0.1", port).serving_in_thread() as url:
        yield Served(url, database, app)


@pytest.fixture
def web(database: Database) -> Iterator[Served]:
    with served(database) as running:
        yield running


@pytest.fixture
def api(web: Served) -> Iterator[httpx.Client]:
    """A client that may do everything."""
    with web.client("track", "read", "operate") as client:
        yield client
