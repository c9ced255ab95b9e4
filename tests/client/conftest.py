from collections.abc import Iterator

import pytest

from tests.store.world import pass_time, seen
from tests.web.conftest import Served, answer_all, served, token_for
from worker.client import Renderwatch
from worker.store.engine import Database


def settle(database: Database, credits_charged: int) -> None:
    """Let so much time pass that every project's next answer is its last."""
    pass_time(database, 7200)
    answer_all(database, seen("complete", credits_charged))


@pytest.fixture
def web(store: Database) -> Iterator[Served]:
    with served(store) as running:
        yield running


@pytest.fixture
def token(store: Database) -> str:
    return token_for(store, "track", "read")


@pytest.fixture
def client(web: Served, token: str) -> Iterator[Renderwatch]:
    with Renderwatch(web.url, token) as client:
        yield client
