"""A real worker and beat deliver to an HTTPS endpoint that does everything an endpoint can do wrong."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook

from tests.celery.world import Store, reading
from tests.store.world import begin, claim, record, seen, track
from tests.support.certificates import Authority, authority
from tests.support.endpoint import OK, Endpoint, Received, answering, server_tls
from tests.support.judge import Allowed, assert_clean
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.simulator import Simulator, SimulatorOptions, running_simulator
from worker.store.engine import Database, clock
from worker.store.models import TrackedProject

EVENTS: Final = 240
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of these tests
TIMEOUT: Final = 5.0
ALLOWED: Final = [Allowed(r"delivered sent=\d+ failed=\d+", "the endpoint refuses and hangs, which the test wants")]


@pytest.fixture
def api() -> Iterator[Simulator]:
    with running_simulator(SimulatorOptions()) as simulator:
        yield simulator


class Consumer:
    """Books events, and answers some at once, some too late, some with an error and some never."""

    def __init__(self, start: Callable[[], Endpoint]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._requests = 0
        self.effects: Counter[str] = Counter()
        self.message_ids: dict[str, set[str]] = {}
        self.confirmed: set[str] = set()
        self.after_confirmation: list[str] = []
        self.hanging = 0
        self.is_deaf = False
        self.endpoint = start()
        self.endpoint.behaviour = self._answer

    def restart(self) -> None:
        """End while requests are under way, and come back later at the same port."""
        self.endpoint.stop()
        time.sleep(1)  # down for a while: nothing to wait for
        self.is_deaf = False
        self.endpoint = self._start()
        self.endpoint.behaviour = self._answer

    def _answer(self, request: Received, client: socket.socket) -> None:
        event = Webhook(SECRET).verify(request.body, request.headers)["id"]
        with self._lock:
            self._requests += 1
            number = self._requests
            self.message_ids.setdefault(event, set()).add(request.headers["webhook-id"])
            if event in self.confirmed:
                self.after_confirmation.append(event)
        if self.is_deaf or number % 40 == 7:  # never answered
            self.hanging += 1
            client.recv(1)
        elif number % 40 == 17:  # takes effect, but its answer comes too late
            self.effects[event] += 1
            time.sleep(TIMEOUT + 1)
            client.sendall(OK)
        elif number <= 6 or number % 10 == 3:
            client.sendall(answering("500 Broken", b"try again"))
        elif number % 20 == 5:  # closes in the middle of its answer
            client.sendall(b"HTTP/1.1 20")
            raise OSError
        else:
            self.effects[event] += 1
            client.sendall(OK)
            if time.monotonic() - request.at < TIMEOUT / 2:
                with self._lock:
                    self.confirmed.add(event)


def test_each_event_takes_effect_and_none_is_sent_after_its_confirmation(
    postgres_url: str, redis_service: Broker, api: Simulator, programs: Programs, tmp_path: Path
) -> None:
    known: Authority = authority(tmp_path / "authority", "hooks.example.com")
    tls = server_tls(known.certificate, known.key)
    ports: list[int] = []

    def start() -> Endpoint:
        made = Endpoint(tls, port=ports[0] if ports else 0)
        ports.append(made.port)
        return made

    consumer = Consumer(start)
    url = f"https://127.0.0.1:{ports[0]}/renders"
    complete_projects(postgres_url, url)
    variables = environment(
        postgres_url,
        redis_service,
        api.url,
        sweep_every=0.5,
        webhook_timeout=TIMEOUT,
        webhook_secrets={f"https://127.0.0.1:{ports[0]}": SECRET},
        webhook_allow_networks=["127.0.0.0/8"],
    ) | {"REQUESTS_CA_BUNDLE": str(known.file)}
    programs.worker(variables, options="-c 1 -l INFO")
    programs.beat(variables)

    with reading(postgres_url) as store:
        try:
            wait_for(lambda: len(consumer.confirmed) > EVENTS / 3, 120, "a third arrived", lambda: counts(store))
            consumer.is_deaf = True
            before = consumer.hanging
            wait_for(lambda: consumer.hanging > before, 120, "a request hangs", lambda: counts(store))
            consumer.restart()
            all_confirmed = {"confirmed": EVENTS}
            wait_for(lambda: counts(store) == all_confirmed, 200, "all are confirmed", lambda: counts(store))
        finally:
            consumer.endpoint.stop()
        stored = {row["id"] for row in store.rows("SELECT id FROM events WHERE type = 'project.completed'")}

    assert set(consumer.effects) == stored
    assert consumer.after_confirmation == []
    assert consumer.effects.total() > EVENTS, "an answer that came too late was sent again"
    assert {len(ids) for ids in consumer.message_ids.values()} == {1}
    assert len(set().union(*consumer.message_ids.values())) == EVENTS
    assert SECRET.removeprefix("whsec_") not in json.dumps(programs.logs)
    assert_clean(programs.logs, ALLOWED)


def complete_projects(database_url: str, url: str) -> None:
    """Store projects that are complete and not checked again soon, with an event for the URL each."""
    database = Database(database_url)
    track(database, *range(EVENTS))
    for batch in claim(database, batch_size=EVENTS):
        lease = begin(database, batch.token)
        assert lease
        record(database, lease, seen("complete"), {"project.completed": [url]})
    with database.write() as connection:
        later = clock(connection) + timedelta(days=1)
        connection.execute(update(TrackedProject).values(next_check_at=later))
    database.close()


def counts(store: Store) -> dict[str, int]:
    rows = store.rows("SELECT state, count(*) AS number FROM deliveries GROUP BY state")
    return {row["state"]: row["number"] for row in rows}
