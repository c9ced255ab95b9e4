"""Doctor knows whether anybody reads the queue of a destination, as far as the broker can say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Consumer, Queue

from tests.celery.world import other_service
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker
from worker.delivery.celery_task import send_to_celery
from worker.delivery.queue_status import read_queues
from worker.domain.deliveries.celery_destination import CeleryDestination
from worker.domain.deliveries.due import DueDelivery

ORDERS = CeleryDestination("orders.rendered", "orders")
DOCTOR = ["-c", "from worker.cli.main import main; main()", "doctor", "--only", "broker"]


@pytest.fixture
def app(broker: Broker) -> Iterator[Celery]:
    with other_service(broker) as app:
        yield app


def send(app: Celery) -> None:
    payload = {"id": "1", "type": "project.completed"}
    due = DueDelivery(1, "1", "celery:orders.rendered?queue=orders", payload, 1, datetime.now(UTC))
    send_to_celery(app, ORDERS, due)


def test_messages_are_counted_and_no_queue_is_made(app: Celery, broker: Broker) -> None:
    is_redis = broker.url.startswith("redis")
    none = {"messages": 0, "consumers": None} if is_redis else {"messages": None, "consumers": 0}
    for _ in range(2):
        status = read_queues(app, ["orders"])["orders"]
        assert {"messages": status.messages, "consumers": status.consumers} == none
    send(app)
    status = read_queues(app, ["orders", "nothing"])["orders"]
    assert (status.messages, status.consumers, status.workers) == (1, None if is_redis else 0, {})


def test_rabbitmq_counts_consumers_that_are_no_celery_workers(rabbitmq_service: Broker) -> None:
    with other_service(rabbitmq_service) as app, Connection(rabbitmq_service.url) as connection:
        send(app)
        with Consumer(connection, [Queue("orders", no_declare=True)], callbacks=[lambda *_: None]):
            assert read_queues(app, ["orders"])["orders"].consumers == 1


def test_doctor_names_a_destination_that_nobody_reads_or_whose_task_nobody_knows(
    sqlite_url: str, redis_service: Broker, tmp_path: Path
) -> None:
    (tmp_path / "other.py").write_text(
        "import json, os\nfrom celery import Celery\napp = Celery(broker=os.environ['CELERY_BROKER_URL'])\n"
        "app.conf.broker_transport_options = json.loads(os.environ['RENDERWATCH_BROKER_TRANSPORT_OPTIONS'])\n"
        "@app.task(name='orders.rendered')\ndef rendered(event): pass\n"
    )
    routes = '["celery:orders.rendered?queue=orders", "celery:orders.misspelled?queue=orders"]'
    variables = environment(sqlite_url, redis_service, "http://127.0.0.1:9") | {"RENDERWATCH_ROUTES": routes}
    with Programs(tmp_path) as programs:
        first = programs.start("first", DOCTOR, variables)
        first.ends(60)
        assert (
            "warn  destination celery:orders.rendered?queue=orders: no worker that answers reads its queue" in first.log
        )
        worker = ["-m", "celery", "-A", "other", "worker", "-n", "other@%h", "-c", "1", "-l", "INFO", "-Q", "orders"]
        programs.start("other", worker, variables).says(" ready.")
        second = programs.start("second", DOCTOR, variables)
        second.ends(60)
        wait_for(lambda: "orders.misspelled" in second.log, 10, "the doctor's findings", lambda: second.log)
        assert (
            "ok    destination celery:orders.rendered?queue=orders: 0 messages in queue 'orders', 1 consumer"
            in second.log
        )
        assert "does not know the task 'orders.misspelled'" in second.log
