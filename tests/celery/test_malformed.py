"""Whatever arrives in the intake queue, the worker says what is wrong with it, once, and goes on."""

from pathlib import Path
from typing import Final

from kombu import Connection, Queue

from tests.celery.malformed import malformed_messages, odd_messages
from tests.celery.world import INTAKE, Store, hand_over, reading
from tests.support.processes import Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"


def test_malformed_messages_are_kept_with_a_reason_and_stop_nobody(
    postgres_url: str, broker: Broker, programs: Programs, tmp_path: Path
) -> None:
    bomb = tmp_path / "unpickled"
    messages = malformed_messages(bomb)
    worker = programs.worker(environment(postgres_url, broker, NO_API))
    with reading(postgres_url) as store:
        for number, message in enumerate(messages, 1):
            message.publish(broker)
            hand_over(broker, {"kind": "video", "project_id": f"good-project-{number}"})
            _wait_for_good_one(store, number, message.name)
            _wait_for_refusal(store, number, message.name)
        reasons = store.refusals()

    helpful = {message.name: reason for message, reason in zip(messages, reasons, strict=True)}
    assert {message.name: message.reason for message in messages if message.reason not in helpful[message.name]} == {}
    assert not bomb.exists(), "a pickle was unpickled"
    assert "Traceback" not in worker.log
    assert worker.stop() == 0
    assert _waiting(broker) == 0


def test_what_celery_would_stumble_over_is_left_aside(postgres_url: str, broker: Broker, programs: Programs) -> None:
    messages = odd_messages()
    worker = programs.worker(environment(postgres_url, broker, NO_API))
    with reading(postgres_url) as store:
        for number, message in enumerate(messages, 1):
            message.publish(broker)
            _wait_for_good_one(store, number, message.name)

        assert store.refusals() == []
    assert "Traceback" not in worker.log


def _wait_for_good_one(store: Store, number: int, after: str) -> None:
    wait_for(lambda: store.states() == {"active": number}, 10, f"a good message is taken after {after}", store.refusals)


def _wait_for_refusal(store: Store, number: int, of: str) -> None:
    wait_for(lambda: len(store.refusals()) == number, 10, f"{of} is refused", store.refusals)


def _waiting(broker: Broker) -> int:
    with Connection(broker.url, transport_options=broker.options) as connection:
        queue = Queue(INTAKE, no_declare=True)(connection)
        return sum(1 for _ in iter(queue.get, None))
