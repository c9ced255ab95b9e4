"""Deliveries to URLs: what an endpoint answers decides what becomes of an event, and of the endpoint's other events."""

import socket
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import delete

from tests.delivery.conftest import HOST
from tests.store.world import hold, pass_time, record, seen, stored, track
from tests.support.endpoint import OK, Endpoint, Received, answering
from worker.delivery.http_client import HttpClient
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.send import send
from worker.delivery.webhook import Webhooks
from worker.settings import Settings
from worker.store.deliveries.queries import replay
from worker.store.engine import Database
from worker.store.models import Delivery, Destination
from worker.store.monitoring.pending_work import is_delivery_due
from worker.tracking.deliver import Delivered, deliver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  of these tests
SETTINGS = Settings()

DeliverAll = Callable[..., Delivered]
Publish = Callable[..., None]


@pytest.fixture
def deliver_all(database: Database, plain: Endpoint, make_client: Callable[..., HttpClient]) -> DeliverAll:
    """Deliver what is due to any path of the endpoint, as the task does."""
    app = Celery("deliver", broker="memory://", set_as_current=False)

    def deliver_all(timeout: float = 20.0) -> Delivered:
        secrets = {f"http://{HOST}:{plain.port}": [SECRET]}
        webhooks = Webhooks(make_client(timeout=timeout), secrets, allow_http=True)
        return deliver(database, SETTINGS, partial(send, NamedBrokers(app), webhooks))

    return deliver_all


@pytest.fixture
def publish(database: Database, plain: Endpoint) -> Publish:
    """Store the completion of some projects, to be delivered to some paths of the endpoint."""

    def publish(*paths: str, projects: int = 3) -> None:
        track(database, *range(1, projects + 1))
        urls = [f"http://{HOST}:{plain.port}{path}" for path in paths]
        record(database, hold(database), seen("complete"), {"project.completed": urls})

    return publish


def column(database: Database, name: str, path: str = "/hook") -> list[Any]:
    return [row[name] for row in stored(database, Delivery) if row["destination"].endswith(path)]


def test_a_2xx_confirms_an_event_for_good(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook")
    assert deliver_all() == Delivered(sent=3)
    assert column(database, "state") == ["confirmed"] * 3
    assert column(database, "last_status") == [204] * 3
    assert all(seconds > 0 for seconds in column(database, "last_seconds"))
    pass_time(database, 86_400)
    assert deliver_all() == Delivered()
    assert len(plain.received) == 3


def test_deliveries_that_a_process_of_an_earlier_version_stored_are_sent(
    database: Database, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", "/other")
    with database.write() as connection:  # earlier versions know no destinations
        connection.execute(delete(Destination).where(Destination.name.endswith("/other")))
    with database.read() as connection:
        assert is_delivery_due(connection)
    assert deliver_all() == Delivered(sent=6)
    assert column(database, "state", "/other") == ["confirmed"] * 3


def test_an_event_has_the_same_id_at_each_attempt_and_after_a_replay(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=1)
    answers = iter([answering("500 Broken"), OK, OK])
    plain.behaviour = lambda _, client: client.sendall(next(answers))
    deliver_all()
    pass_time(database, 3600)
    deliver_all()
    with database.write() as connection:
        replay(connection, column(database, "id"), "someone", None)
    deliver_all()
    assert len(plain.received) == 3
    assert len({each.headers["webhook-id"] for each in plain.received}) == 1


def test_a_refusal_is_kept_with_its_reason_and_tried_again(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=1)
    plain.behaviour = lambda _, client: client.sendall(answering("422 Nope", b"no such order"))
    assert deliver_all() == Delivered(failed=1)
    assert column(database, "state") == ["pending"]
    assert column(database, "last_status") == [422]
    assert column(database, "last_error") == ["422 Unprocessable Entity: no such order"]
    plain.behaviour = lambda _, client: client.sendall(OK)
    pass_time(database, 3600)
    assert deliver_all() == Delivered(sent=1)
    assert column(database, "last_status") == [204]


def test_410_ends_one_delivery_and_not_the_destination(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=1)
    plain.behaviour = lambda _, client: client.sendall(answering("410 Gone", b"unsubscribed"))
    assert deliver_all() == Delivered(failed=1, dead=1)
    assert column(database, "state") == ["dead"]
    assert column(database, "last_error") == ["410 Gone: unsubscribed"]
    assert [row["failures"] for row in stored(database, Destination)] == [0]
    plain.behaviour = lambda _, client: client.sendall(OK)
    publish("/hook", projects=3)  # two of them are new
    assert deliver_all() == Delivered(sent=2)


def test_a_pause_is_kept_though_the_endpoint_took_other_events_meanwhile(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=20)
    answers = cycle([OK, answering("429 Slow down", b"", "Retry-After: 600")])
    plain.behaviour = lambda _, client: client.sendall(next(answers))
    deliver_all()
    asked = len(plain.received)
    assert asked < 20
    pass_time(database, 500)
    assert deliver_all() == Delivered()
    assert len(plain.received) == asked


def test_an_endpoint_that_asks_for_a_pause_is_left_alone_that_long(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=30)
    plain.behaviour = lambda _, client: client.sendall(answering("429 Slow down", b"", "Retry-After: 600"))
    deliver_all()
    asked = len(plain.received)
    assert asked <= 3  # one of each part: the others of the part are not tried
    plain.behaviour = lambda _, client: client.sendall(OK)
    pass_time(database, 590)
    assert deliver_all() == Delivered()
    pass_time(database, 30)
    assert deliver_all() == Delivered(sent=30)
    assert len(plain.received) == asked + 30


def test_what_was_not_tried_has_not_used_up_an_attempt(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hook", projects=10)
    plain.behaviour = lambda _, client: client.sendall(answering("503 Busy", b"", "Retry-After: 60"))
    deliver_all()
    tried = len(plain.received)
    assert sorted(column(database, "attempts")) == [0] * (10 - tried) + [1] * tried
    assert [at is None for at in column(database, "first_attempt_at")].count(True) == 10 - tried
    assert column(database, "leased_until") == [None] * 10


def test_an_endpoint_that_hangs_holds_up_nobody_and_is_left_alone(
    database: Database, plain: Endpoint, publish: Publish, deliver_all: DeliverAll
) -> None:
    publish("/hangs", "/hook", projects=40)

    def by_path(request: Received, client: socket.socket) -> None:
        if request.target == "/hangs":
            client.recv(1)
        client.sendall(OK)

    plain.behaviour = by_path
    deliver_all(timeout=4.0)
    assert column(database, "state") == ["confirmed"] * 40
    hanging = [each for each in plain.received if each.target == "/hangs"]
    assert len(hanging) < 20  # its circuit opened before each of its events had been tried
    assert set(column(database, "state", "/hangs")) == {"pending"}


def test_a_url_that_the_settings_no_longer_allow_says_so(
    database: Database, plain: Endpoint, publish: Publish, make_client: Callable[..., HttpClient]
) -> None:
    publish("/hook", projects=1)
    app = Celery("deliver", broker="memory://", set_as_current=False)
    deliver(database, SETTINGS, partial(send, NamedBrokers(app), Webhooks(make_client(), {}, allow_http=True)))
    assert column(database, "last_error") == ["RENDERWATCH_WEBHOOK_SECRETS has no secret for this URL"]
    assert plain.connections == 0
