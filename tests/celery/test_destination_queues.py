"""News reaches the queues of other applications, however their owners declared them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from celery import Celery
from kombu import Connection, Queue

from tests.support.services import Broker
from worker.delivery.celery_task import NoQueueError, delivery_task_id, send_to_celery
from worker.domain.deliveries.celery_destination import CeleryDestination
from worker.domain.deliveries.due import DueDelivery

ORDERS = CeleryDestination("orders.rendered", "orders")
PAYLOAD = {
    "id": "0190",
    "type": "project.completed",
    "downloads": [{"url": "https://files.example/1?signature=s3cret"}],
}


def event(number: int, destination: str = "celery:orders.rendered?queue=orders") -> DueDelivery:
    return DueDelivery(number, f"event-{number}", destination, PAYLOAD, 1, datetime.now(UTC))


def task_id(number: int) -> str:
    due = event(number)
    return delivery_task_id(due.event_id, due.destination)


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
            send_to_celery(app, ORDERS, event(number))

        messages = [message for _ in range(3) if (message := queue.get(no_ack=True))]
    assert [message.headers["id"] for message in messages] == [task_id(number) for number in range(3)]
    assert all(message.decode()[1] == {"event": PAYLOAD} for message in messages)


def test_news_waits_in_a_queue_that_nobody_has_declared_yet(app: Celery, rabbitmq_service: Broker) -> None:
    send_to_celery(app, CeleryDestination("orders.rendered", None), event(1))

    with Connection(rabbitmq_service.url) as connection:
        message = Queue("celery")(connection).get(no_ack=True)
    assert message is not None
    assert message.headers["id"] == task_id(1)


def test_a_message_that_no_queue_takes_is_an_error_and_the_next_attempt_declares_the_queue(
    app: Celery, rabbitmq_service: Broker
) -> None:
    send_to_celery(app, ORDERS, event(1))
    with Connection(rabbitmq_service.url) as connection:
        queue = Queue("orders")(connection)
        queue.delete()
        with pytest.raises(NoQueueError, match="there is no queue 'orders' any more"):
            send_to_celery(app, ORDERS, event(2))
        send_to_celery(app, ORDERS, event(2))
        message = queue.get(no_ack=True)
    assert message is not None
    assert message.headers["id"] == task_id(2)


def test_monitors_see_no_signed_links(app: Celery, rabbitmq_service: Broker) -> None:
    send_to_celery(app, ORDERS, event(1))

    with Connection(rabbitmq_service.url) as connection:
        message = Queue("orders")(connection).get(no_ack=True)
    assert message is not None
    assert "s3cret" not in str(message.headers)


def test_a_second_delivery_carries_the_same_task_id() -> None:
    first = delivery_task_id("event-1", "celery:orders.rendered")

    assert first == delivery_task_id("event-1", "celery:orders.rendered")
    assert len({first, delivery_task_id("event-2", "celery:orders.rendered"), delivery_task_id("event-1", "x")}) == 3
