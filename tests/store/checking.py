"""A whole check of a batch, as a worker does it, against an API of the test's own; and who else uses the database."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Self

import psycopg
from pydantic import SecretStr
from sqlalchemy import event

from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import Server, reply, serving
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, claim, of, stored
from tests.support.processes import API_KEY, wait_for
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.models import CreditAdjustment, Delivery, Event, StatusTransition, TrackedProject
from worker.store.projects.recording import Recorded
from worker.tracking.check import check
from worker.tracking.clients import Clients

SETTINGS: Final = Settings(magic_hour_api_key=SecretStr(API_KEY), routes=ROUTES)
HISTORY: Final = (StatusTransition, CreditAdjustment, Event, Delivery)
PATIENCE: Final = 30.0  # a bound for what takes a second or two
_FACTS: Final = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


@contextmanager
def api(meanwhile: Callable[[], object] = lambda: None) -> Iterator[Server]:
    """An API where all projects are complete. ``meanwhile`` comes before its first answer, when the batch is begun."""
    begun = threading.Lock()
    left = [meanwhile]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with begun:
            if left:
                left.pop()()
        body = {**VIDEO, "id": handler.path.rpartition("/")[2], "credits_charged": 300}
        reply(200, json.dumps(body).encode())(handler)

    with serving(answer) as server:
        yield server


def check_batch(database: Database, server: Server) -> Recorded | None:
    """Claim the one batch that is due, ask the API, and record the answers."""
    (batch,) = claim(database, batch_size=1000)
    return check_claimed(database, server, batch.token)


def check_claimed(database: Database, server: Server, token: str) -> Recorded | None:
    clients = Clients(SETTINGS.model_copy(update={"magic_hour_base_url": server.url}))
    try:
        return check(database, SETTINGS, clients, Durations(), token)
    finally:
        clients.close()


def assert_recorded_once(database: Database, count: int) -> None:
    """Everything that follows from `count` projects being complete is there, and nothing twice."""
    assert of(stored(database, TrackedProject), "status") == ["complete"] * count
    assert of(stored(database, StatusTransition), "to_status") == ["complete"] * count
    assert of(stored(database, CreditAdjustment), "amount") == [300] * count
    assert_sound(database, ROUTES)


def assert_nothing_recorded(database: Database, count: int) -> None:
    """Not even half of anything is there."""
    assert of(stored(database, TrackedProject), "status") == [None] * count
    assert [row for model in HISTORY for row in stored(database, model)] == []
    assert_sound(database, ROUTES)


def faults_of(database: Database) -> list[str]:
    """A list of the errors that the database will have raised, by their SQLSTATE."""
    faults: list[str] = []

    @event.listens_for(database.engine, "handle_error")
    def note(context: Any) -> None:  # noqa: ANN401  SQLAlchemy's
        faults.append(context.original_exception.sqlstate)

    return faults


@contextmanager
def beside() -> Iterator[Callable[..., "Future[Any]"]]:
    """Something that is done while the test goes on."""
    with ThreadPoolExecutor(2) as pool:
        yield pool.submit


class Other:
    """Another program on the same PostgreSQL database, in one transaction that is as long as the test wants."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        # In a deadlock the one who looks first is undone: never this one.
        self.does("SET deadlock_timeout = '1h'")
        self._observer = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._observer.close()

    def does(self, statement: str) -> None:
        """Do it, and keep the locks."""
        self._connection.execute(statement.encode())

    def commits(self) -> None:
        self._connection.commit()

    def rolls_back(self) -> None:
        self._connection.rollback()

    def blocks(self) -> list[int]:
        """Who waits for this one: their process ids. Waits until there is somebody."""
        mine = self._connection.info.backend_pid
        return wait_for(lambda: self._pids(_FACTS, mine), PATIENCE, "somebody waits for the other program")

    def is_blocked(self) -> None:
        """Wait until this one waits for somebody."""
        query = "SELECT unnest(pg_blocking_pids(%s))"
        mine = self._connection.info.backend_pid
        wait_for(lambda: self._pids(query, mine), PATIENCE, "the other program waits for somebody")

    def kills(self, *pids: int) -> None:
        for pid in pids:
            self._pids("SELECT 1 WHERE pg_terminate_backend(%s)", pid)

    def _pids(self, query: str, value: int) -> list[int]:
        return [row[0] for row in self._observer.execute(query.encode(), [value])]
