"""Hundreds of odd messages to one worker: the same processes run on, and each message is tracked or kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from kombu import Connection

from tests.adversary.odd_messages import Odd, odd_messages, project_id
from tests.adversary.raw_items import envelope
from tests.adversary.test_redis_items import pushing
from tests.celery.world import Store, hand_over, reading
from tests.chaos.processes import children
from tests.support.processes import Program, Programs, environment, wait_for
from tests.support.services import Broker

NO_API: Final = "http://127.0.0.1:9"
QUEUES: Final = ("renderwatch.intake", "renderwatch.checks")
_SENT_AS_THEY_ARE: Final = ("priority", "reply_to", "correlation_id", "delivery_mode", "timestamp")
Send = Callable[[int, Odd, str], bool]


@contextmanager
def sending(broker: Broker) -> Iterator[Send]:
    """Give a function that sends a message to a queue. It is false for what the client or RabbitMQ itself refuses."""
    if not broker.url.startswith("amqp"):
        with pushing(broker) as push:
            yield lambda number, odd, queue: bool(push(queue, odd.item(number, queue)))
        return

    connection = Connection(broker.url, transport_options={"confirm_publish": True})

    def publish(_: int, odd: Odd, queue: str) -> bool:
        properties = {name: odd.properties[name] for name in _SENT_AS_THEY_ARE if name in odd.properties}
        headers = envelope({})["headers"] | odd.headers
        parts = (None, odd.content_type, odd.encoding, headers, properties)
        try:
            channel: Any = connection.default_channel
            channel.basic_publish(channel.prepare_message(odd.body, *parts), exchange="", routing_key=queue)
        except Exception:  # noqa: BLE001  encoders raise what they like, and half a frame may be on its way
            connection.collect()
            return False
        return True

    with connection:
        yield publish


@pytest.mark.parametrize("queue", QUEUES)
def test_odd_messages_are_tracked_or_kept_and_end_no_process(
    postgres_url: str, broker: Broker, programs: Programs, queue: str
) -> None:
    worker = programs.worker(environment(postgres_url, broker, NO_API))
    pool = children(worker.process.pid)
    assert pool
    messages = odd_messages()
    with sending(broker) as send, reading(postgres_url) as store:
        sent = [number for number, odd in enumerate(messages) if send(number, odd, queue)]
        assert len(sent) > 400
        expected = sum(not messages[number].is_empty for number in sent)

        def accounted() -> bool:
            return sum(store.states().values()) + len(store.refusals()) >= expected

        wait_for(accounted, 90, f"{expected} are tracked or kept", lambda: _missing(store, messages, sent, worker))
        good = {project_id(number) for number in sent if messages[number].is_good}
        assert good - {row["project_id"] for row in store.rows("SELECT project_id FROM tracked_projects")} == set()
        hand_over(broker, {"kind": "image", "project_id": "the-next-good-one"})
        query = "SELECT count(*) FROM tracked_projects WHERE project_id = 'the-next-good-one'"
        wait_for(lambda: store.value(query) == 1, 20, "the next good one is tracked")
    assert "Traceback" not in worker.log
    assert (worker.process.poll(), children(worker.process.pid)) == (None, pool)


def _missing(store: Store, messages: list[Odd], sent: list[int], worker: Program) -> object:
    kept = "\n".join(row["request"] for row in store.rows("SELECT request FROM rejected_requests"))
    known = kept + "\n".join(row["project_id"] for row in store.rows("SELECT project_id FROM tracked_projects"))
    left = [number for number in sent if project_id(number) not in known]
    return [(number, str(messages[number])[:300]) for number in left][-30:], worker.log[-1500:]
