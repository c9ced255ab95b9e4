"""Secrets stay in the settings, whatever the processes write about."""

import base64
import json
from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
import redis
from psycopg import sql

from tests.celery.world import Store, entry, hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker, own_name, unavailable
from worker.simulator import Simulator, SimulatorOptions, running_simulator

API_KEY: Final = "mhk_live_api-key-that-nobody-may-see"
DATABASE_PASSWORD: Final = "database-password-that-nobody-may-see"  # noqa: S105  what the test looks for
BROKER_PASSWORD: Final = "broker-password-that-nobody-may-see"  # noqa: S105  the same
SIGNATURE: Final = "X-Goog-Signature"  # in every signed link of the simulator
SETTINGS: Final = {
    "dispatch_every": 0.2,
    "settle_gaps": [0.3],
    "routes": {"project.completed": ["celery:orders.rendered?queue=orders"]},
    "rate": 500,
    "burst": 2000,
    "least_gap": 0.2,
    "greatest_gap": 1,
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    options = SimulatorOptions(time_scale=200, failure_rate=0, cancel_rate=0, api_keys=frozenset({API_KEY}))
    with running_simulator(options) as simulator:
        yield simulator


def _with_user(url: str, user: str, password: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}:{password}@{rest.rpartition('@')[2]}"


@pytest.fixture
def database_user(postgres_url: str) -> Iterator[str]:
    """The database's URL with a user who has a password."""
    user = sql.Identifier(name := own_name())
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(user, DATABASE_PASSWORD))
        try:
            yield _with_user(postgres_url, name, DATABASE_PASSWORD)
        finally:
            server.execute(sql.SQL("DROP ROLE {}").format(user))


@pytest.fixture
def broker_user(redis_service: Broker) -> Iterator[Broker]:
    """The broker with a user who has a password."""
    if not redis_service.url.startswith("redis://"):
        unavailable("the embedded broker listens on a socket file and has no users; TEST_REDIS_URL names no other")
    name = own_name()
    with redis.Redis.from_url(redis_service.url) as server:
        server.acl_setuser(
            name, enabled=True, passwords=[f"+{BROKER_PASSWORD}"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        try:
            yield Broker(_with_user(redis_service.url, name, BROKER_PASSWORD), redis_service.options)
        finally:
            server.acl_deluser(name)


def test_no_secret_is_in_any_log_table_or_message(
    database_user: str, broker_user: Broker, simulator: Simulator, programs: Programs
) -> None:
    variables = environment(database_user, broker_user, simulator.url, **SETTINGS)
    variables["MAGIC_HOUR_API_KEY"] = API_KEY
    programs.beat(variables, options="-l DEBUG")
    programs.worker(variables, options="-c 2 -l DEBUG -E")
    # What nobody can reach is written about most.
    nowhere = {
        "DATABASE_URL": f"postgresql://rw:{DATABASE_PASSWORD}@127.0.0.1:9/nothing",
        "CELERY_BROKER_URL": f"redis://rw:{BROKER_PASSWORD}@127.0.0.1:9/0",
    }
    programs.beat(variables | nowhere, "lost-beat", options="-l DEBUG")
    no_database = {"DATABASE_URL": nowhere["DATABASE_URL"]}
    lost = programs.worker(variables | no_database, "lost-worker", options="-c 1 -l DEBUG -Q renderwatch.upkeep")
    projects = simulator.create(20, "/v1/image-to-video")
    hand_over(broker_user, {"projects": [entry(project) for project in projects]}, {"kind": "film"})

    with reading(database_user) as store:
        wait_for(lambda: store.all_closed(20) and store.refusals(), 60, "all projects are closed", store.states)
        wait_for(lambda: "database unavailable" in lost.log, 20, "a worker misses its database")
        wait_for(lambda: store.value("SELECT count(*) FROM deliveries WHERE state = 'sent'") == 20, 20, "news is sent")
        tables = _everything_in(store)
    messages = _everything_sent(broker_user)

    assert SIGNATURE in tables, "links are stored, so their absence from the logs means something"
    assert SIGNATURE in messages, "the same for messages"
    for name, written in {**programs.logs, "the tables": tables, "the messages": messages}.items():
        for secret in (API_KEY, DATABASE_PASSWORD, BROKER_PASSWORD):
            assert secret not in written, f"{secret} is in {name}"
    for name, log in programs.logs.items():
        assert SIGNATURE not in log, f"a signed link is in the log of {name}"


def _everything_in(store: Store) -> str:
    tables = store.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    names = [row["table_name"] for row in tables]
    return "\n".join(str(row) for name in names for row in store.rows(f'SELECT * FROM "{name}"'))


def _everything_sent(broker: Broker) -> str:
    """Return the messages that wait for the downstream application, which does not run here."""
    with redis.Redis.from_url(broker.url) as server:
        items = server.lrange(f"{broker.options.get('global_keyprefix', '')}orders", 0, -1)
    assert isinstance(items, list)
    return "\n".join(_readable(item) for item in items)


def _readable(item: bytes) -> str:
    message = json.loads(item)
    return f"{message['headers']} {base64.b64decode(message['body']).decode()}"
