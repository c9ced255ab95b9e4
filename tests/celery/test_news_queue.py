"""News reaches the queues of other applications, however their owners declared them."""

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection, Queue

from tests.support.services import Broker
from worker.delivery.celery_task import delivery_task_id, send_to_celery
from worker.domain.destination import CeleryDestination

ORDERS = CeleryDestination("orders.rendered", "orders")
PAYLOAD = {
    "id": "0190",
    "type": "project.completed",
    "downloads": [{"url": "https://files.example/1?signature=s3cret"}],
}


@pytest.fixture
def app(rabbitmq_service: Broker) -> Iterator[Celery]:
    with Celery("news", broker=rabbitmq_service.url, set_as_current=False) as app:
        app.conf.broker_transport_options = {"confirm_publish": True}
        yield app


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_queue_is_left_as_its_owner_declared_it(app: Celery, rabbitmq_service: Broker, queue_type: str) -> None:
    with Connection(rabbitmq_service.url) as connection:
        queue = Queue("orders", queue_arguments={"x-queue-type": queue_type})(connection)
        queue.declare()

        for number in range(3):
            send_to_celery(app, ORDERS, f"task-{number}", PAYLOAD)

        messages = [message for _ in range(3) if (message := queue.get(no_ack=True))]
    assert [message.headers["id"] for message in messages] == ["task-0", "task-1", "task-2"]
    assert all(message.decode()[1] == {"event": PAYLOAD} for message in messages)


def test_news_waits_in_a_queue_that_nobody_has_declared_yet(app: Celery, rabbitmq_service: Broker) -> None:
    send_to_celery(app, CeleryDestination("orders.rendered", None), "task-1", PAYLOAD)

    with Connection(rabbitmq_service.url) as connection:
        message = Queue("celery")(connection).get(no_ack=True)
    assert message is not None
    assert message.headers["id"] == "task-1"


def test_monitors_see_no_signed_links(app: Celery, rabbitmq_service: Broker) -> None:
    send_to_celery(app, ORDERS, "task-1", PAYLOAD)

    with Connection(rabbitmq_service.url) as connection:
        message = Queue("orders")(connection).get(no_ack=True)
    assert message is not None
    assert "s3cret" not in str(message.headers)


def test_a_second_delivery_carries_the_same_task_id() -> None:
    first = delivery_task_id("event-1", "celery:orders.rendered")

    assert first == delivery_task_id("event-1", "celery:orders.rendered")
    assert len({first, delivery_task_id("event-2", "celery:orders.rendered"), delivery_task_id("event-1", "x")}) == 3
