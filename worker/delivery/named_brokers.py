"""Brokers of other applications, named in settings: a client for each, to send events to."""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from pydantic import SecretStr

from worker.amqp_tls import split_tls
from worker.domain.deliveries.celery_destination import CeleryDestination
from worker.domain.deliveries.failure import DeliveryError

# As for our own broker: without them, a half-open connection is never detected.
_REDIS: Final = {"socket_timeout": 5, "socket_connect_timeout": 5, "socket_keepalive": True}


class NamedBrokers:
    """Our own broker's application, and one for each named broker. They share nothing."""

    def __init__(self, app: Celery, urls: Mapping[str, SecretStr] | None = None) -> None:
        """Use the application for destinations without a broker's name. Nothing is connected to yet."""
        self._app = app
        self._named = {name: _client(name, url.get_secret_value()) for name, url in (urls or {}).items()}

    def of(self, target: CeleryDestination) -> Celery:
        """Return the application that sends to a destination. Raises DeliveryError if its broker is not configured."""
        if target.broker is None:
            return self._app
        if target.broker not in self._named:
            raise DeliveryError(f"there is no broker {target.broker!r} in RENDERWATCH_BROKERS")
        return self._named[target.broker]


def _client(name: str, url: str) -> Celery:
    app = Celery(f"renderwatch-{name}", set_as_current=False)
    is_amqp = url.startswith(("amqp", "pyamqp"))
    bare, tls = split_tls(url) if url.startswith("amqps") else (url, False)
    options: dict[str, Any] = {"confirm_publish": True} if is_amqp else dict(_REDIS)
    if url.startswith("sentinel"):
        options["master_name"] = "mymaster"
    app.conf.update(
        # All three, because Celery prefers the variable CELERY_BROKER_URL to broker_url.
        broker_url=bare,
        broker_read_url=bare,
        broker_write_url=bare,
        broker_use_ssl=tls,
        broker_connection_timeout=5,
        broker_transport_options=options,
        task_serializer="json",
        task_create_missing_queue_type="classic",
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
    )
    return app
