"""An event counts as delivered when the task of a stock Celery application has succeeded, whatever happens before."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Queue

from tests.celery.world import Store, other_service, reading
from tests.store.world import hold, record, seen, track
from tests.support.judge import Allowed, assert_clean
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker
from worker.domain.batches import batched
from worker.store.engine import Database

BOOK = "celery:ledger.book?queue=ledger&confirm=3"
KILLS = random.Random(5)  # noqa: S311  trials
AGAIN = Allowed(r"confirmed=\d+ failed=[1-9]", "a consumer's task failed, as the test wants")


class World:
    """Our worker and beat, and a consumer that can be killed."""

    def __init__(self, url: str, broker: Broker, programs: Programs, folder: Path) -> None:
        self.database, self.broker, self._programs = Database(url), broker, programs
        self.variables = environment(url, broker, "http://127.0.0.1:1", sweep_every=0.3)
        self.booked_in, self.fails = folder / "booked", folder / "fails"
        self._consumers = 0

    def start(self) -> None:
        self._programs.beat(self.variables)
        self._programs.worker(self.variables, options="-c 1 -l INFO")

    def consumer(self) -> Program:
        self._consumers += 1
        variables = self.variables | {"LEDGER_FILE": str(self.booked_in), "LEDGER_FAILS": str(self.fails)}
        options, name = "-c 1 -l INFO", f"consumer-{self._consumers}"
        return self._programs.worker(variables, name, app="tests.celery.confirming", options=options)

    def store(self, projects: range, destination: str = BOOK) -> None:
        for part in batched(projects, 40):
            track(self.database, *part)
            record(self.database, hold(self.database), seen("complete", 300), {"project.completed": [destination]})
        with self.database.write() as connection:  # there is no API: nothing is checked while a slow machine tests
            connection.exec_driver_sql("UPDATE tracked_projects SET next_check_at = now() + interval '1 hour'")

    def booked(self) -> Counter[str]:
        lines = self.booked_in.read_text(encoding="utf-8").splitlines() if self.booked_in.exists() else []
        return Counter(lines)

    def empty(self) -> None:
        """Let the broker lose what waits for the consumer, as one without persistence does."""
        with Connection(self.broker.url, transport_options=self.broker.options) as connection:
            Queue("ledger")(connection.default_channel).purge()


@pytest.fixture
def world(postgres_url: str, broker: Broker, programs: Programs, tmp_path: Path) -> Iterator[World]:
    world = World(postgres_url, broker, programs, tmp_path)
    yield world
    world.database.close()


def states(store: Store) -> dict[str, int]:
    found = store.rows("SELECT state, count(*) AS number FROM deliveries GROUP BY state")
    return {row["state"]: row["number"] for row in found}


def shows(store: Store, **wanted: int) -> Callable[[], bool]:
    return lambda: states(store) == wanted


def test_events_are_sent_until_their_tasks_have_succeeded(world: World, postgres_url: str, programs: Programs) -> None:
    """The broker loses all of them once, and the consumer is killed in the middle again and again."""
    world.store(range(60))
    world.start()
    with reading(postgres_url) as store:
        wait_for(shows(store, sent=60), 30, "all are sent", lambda: states(store))
        world.empty()
        consumer = world.consumer()
        world.store(range(60, 120))
        for _ in range(3):
            before = len(world.booked())
            wait_for(lambda: len(world.booked()) > before + KILLS.randrange(10), 60, "some are booked")  # noqa: B023
            consumer.kill()
            consumer = world.consumer()
        wait_for(shows(store, confirmed=120), 90, "all are confirmed", lambda: states(store))
        events = {row["id"] for row in store.rows("SELECT e.id FROM events e JOIN deliveries d ON d.event_id = e.id")}
        booked = world.booked()
        assert booked.keys() == events
        # What was confirmed is not sent again.
        assert store.value("SELECT count(*) FROM deliveries WHERE confirm_by IS NOT NULL OR leased_until > now()") == 0
    assert_clean({name: log for name, log in programs.logs.items() if not name.startswith("consumer")})


def test_a_task_that_fails_is_reported_and_gets_its_event_again(
    world: World, postgres_url: str, programs: Programs
) -> None:
    world.fails.touch()
    world.store(range(3))
    world.start()
    world.consumer()
    with reading(postgres_url) as store:
        wait_for(shows(store, failed=3), 30, "failures are reported", lambda: states(store))
        errors = {row["last_error"] for row in store.rows("SELECT last_error FROM deliveries")}
        assert errors == {"the consumer's task failed; its log says why"}
        world.fails.unlink()
        wait_for(shows(store, confirmed=3), 60, "they succeed in the end", lambda: states(store))
    ours = {name: log for name, log in programs.logs.items() if not name.startswith("consumer")}
    assert_clean(ours, [AGAIN])


def test_a_task_that_the_consumer_does_not_know_is_never_confirmed(
    world: World, postgres_url: str, programs: Programs
) -> None:
    world.store(range(1), "celery:ledger.unknown?queue=ledger&confirm=1")
    world.start()
    world.consumer()
    with reading(postgres_url) as store:
        wait_for(lambda: store.value("SELECT attempts FROM deliveries") >= 2, 30, "it is sent again")
        assert store.value("SELECT last_error FROM deliveries") == "not confirmed within 1 s"
        assert "confirmed" not in states(store)
    assert_clean({name: log for name, log in programs.logs.items() if not name.startswith("consumer")})


def test_forged_and_repeated_confirmations_change_nothing_and_end_nothing(world: World, postgres_url: str) -> None:
    world.store(range(2))
    world.start()
    with reading(postgres_url) as store, other_service(world.broker) as app:
        wait_for(shows(store, sent=2), 30, "both are sent", lambda: states(store))
        first, second = store.rows("SELECT id, attempts, confirm_token FROM deliveries ORDER BY id")
        real = {"delivery": first["id"], "attempt": first["attempts"], "token": first["confirm_token"]}
        for forged in (
            {**real, "token": second["confirm_token"], "outcome": "succeeded"},
            {**real, "token": "", "outcome": "succeeded"},
            {**real, "token": "ÿ" * 32, "outcome": "succeeded"},
            {**real, "token": None, "outcome": "succeeded"},
            {**real, "delivery": 2**70, "outcome": "succeeded"},
            {**real, "delivery": True, "outcome": "succeeded"},
            {**real, "outcome": "done"},
            {**real, "outcome": ["succeeded"]},
            {"delivery": first["id"]},
            {},
        ):
            confirm(app, **forged)
        confirm(app, **real, outcome="succeeded")
        confirm(app, **real, outcome="succeeded")
        confirm(app, **real, outcome="failed")
        with Connection(world.broker.url, transport_options=world.broker.options) as connection:
            for junk in ("", "[", '"x"', "[[], {}, {}]"):
                connection.SimpleQueue("renderwatch.confirmations").put(junk)
        confirm(app, delivery=second["id"], attempt=1, token=second["confirm_token"], outcome="failed")
        wait_for(lambda: "failed" in states(store) or "sent" not in states(store), 30, "the last one is taken")
        rows = store.rows("SELECT id, state, last_error FROM deliveries ORDER BY id")
        assert rows[0]["state"] == "confirmed"
        assert rows[0]["last_error"] is None


def confirm(app: Celery, **fields: object) -> None:
    app.send_task("renderwatch.confirm", kwargs=fields, queue="renderwatch.confirmations")
