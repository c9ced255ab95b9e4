"""Events for applications on other brokers: Redis and RabbitMQ by name, and one that is down."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Queue
from pydantic import SecretStr

from tests.support.services import Broker
from worker.delivery.http_client import HttpClient
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.send import send
from worker.delivery.webhook import Webhooks
from worker.domain.deliveries.destination import DestinationError, is_allowed, parse_destination
from worker.domain.deliveries.due import DueDelivery
from worker.settings import SettingsError, load_settings

PAYLOAD = {"id": "0190", "type": "project.completed"}


def due(destination: str) -> DueDelivery:
    return DueDelivery(1, "event-1", destination, PAYLOAD, 1, datetime.now(UTC))


def attempt(brokers: NamedBrokers, destination: str) -> str | None:
    webhooks = Webhooks(HttpClient([], 5, 1), {}, allow_http=False)
    (made,) = send(brokers, webhooks, [due(destination)], time.monotonic() + 60)
    return str(made.error) if made.error else None


def test_each_event_goes_to_the_broker_that_is_named(rabbitmq_service: Broker, redis_service: Broker) -> None:
    queue = redis_service.options.get("global_keyprefix", "own:").rstrip(":")
    urls = {"rabbit": rabbitmq_service.url, "redis": redis_service.url, "down": "redis://127.0.0.1:1/0"}
    with Celery("own", broker="memory://", set_as_current=False) as own:
        brokers = NamedBrokers(own, {name: SecretStr(url) for name, url in urls.items()})
        assert "Connection refused" in str(attempt(brokers, f"celery+down:studio.on_render?queue={queue}"))
        assert "RENDERWATCH_BROKERS" in str(attempt(brokers, f"celery+other:studio.on_render?queue={queue}"))
        for name in ("rabbit", "redis"):
            assert attempt(brokers, f"celery+{name}:studio.on_render?queue={queue}") is None
            with Connection(urls[name]) as connection:
                waiting = Queue(queue)(connection)
                message = waiting.get(no_ack=True)
                assert message is not None
                assert message.decode()[1] == {"event": PAYLOAD}
                assert waiting.get(no_ack=True) is None
                waiting.delete()


def test_confirmations_are_refused_with_the_reason() -> None:
    with pytest.raises(DestinationError, match="consumers confirm on theirs"):
        parse_destination("celery+studio:on_render?queue=renders&confirm=60")


def test_a_pattern_without_a_broker_allows_none_on_another() -> None:
    assert not is_allowed("celery+studio:on_render", ["celery:*"])
    assert is_allowed("celery+studio:on_render", ["celery+studio:*"])


@pytest.mark.parametrize(
    ("brokers", "said"),
    [
        ('{"other": "redis://redis:6379/0"}', "which RENDERWATCH_BROKERS does not name"),
        ('{"St udio": "redis://redis:6379/0"}', "is not a broker's name"),
        ('{"studio": "http://user:s3cret@studio"}', "the URL of 'studio'"),
    ],
)
def test_settings_say_what_is_wrong_without_secrets(tmp_path: Path, brokers: str, said: str) -> None:
    given = {"RENDERWATCH_BROKERS": brokers, "RENDERWATCH_ROUTES": '["celery+studio:on_render"]'}
    with pytest.raises(SettingsError) as refused:
        load_settings(given, tmp_path)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_urls_are_shown_nowhere(tmp_path: Path) -> None:
    settings = load_settings({"RENDERWATCH_BROKERS": '{"studio": "redis://:s3cret@studio:6379/0"}'}, tmp_path)
    assert "s3cret" not in repr(settings)
