"""kombu's Redis transport, hardened so that no input ends the worker.

- List items and channel messages that are not envelopes: such an item is wrapped in an envelope that names its fault,
  so that the worker's consumer refuses and keeps it like any other wrong message.
- Messages that are acknowledged after their connection was closed: kombu then reads the address of a connection that
  is None, and Celery treats the AttributeError as a bug. Here it is a connection error:
  Celery reconnects, and the message is redelivered.
"""

import base64
import json
import logging
import uuid
from queue import Empty
from typing import Any, Final

from kombu import transport
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.json import loads
from redis.exceptions import ConnectionError as RedisConnectionError

from worker.domain.intake.bounded_json import is_too_deep
from worker.domain.log_events import event

FAULT_HEADER: Final = "renderwatch-fault"
_NO_MESSAGE: Final = "not a Celery message: send it with a Celery client"
# More than is kept of any request, so that the cut size is known.
_KEPT: Final = 16 * 1024 * 1024
_LONGEST_TAG: Final = 200
_log: Final = logging.getLogger(__name__)


def sound_item(item: bytes, queue: str) -> bytes:
    """Return an item that kombu can process: this one, or an envelope that names its fault."""
    try:
        text = item.decode()
        if not is_too_deep(text) and is_envelope(loads(text)):
            return item
    except Exception as error:  # noqa: BLE001  kombu's decoders raise what they like
        _log.debug("not an envelope: %s", error, extra=event("broker_message_unreadable"))
    body = base64.b64encode(item[:_KEPT]).decode()
    delivery = {"exchange": "", "routing_key": queue}
    properties = {"delivery_tag": str(uuid.uuid4()), "delivery_info": delivery, "body_encoding": "base64"}
    envelope = {"body": body, "headers": {FAULT_HEADER: _NO_MESSAGE}, "properties": properties}
    return json.dumps(envelope | {"content-type": "application/data", "content-encoding": "binary"}).encode()


def is_envelope(value: Any) -> bool:  # noqa: ANN401  whatever JSON holds
    """Whether kombu can process this as a message, from receipt to acknowledgement."""
    if not isinstance(value, dict) or not isinstance(value.get("headers"), dict):
        return False
    properties, body = value.get("properties"), value.get("body")
    if not isinstance(properties, dict) or not isinstance(body, (str, type(None))):
        return False
    tag, delivery = properties.get("delivery_tag"), properties.get("delivery_info")
    if not isinstance(tag, str) or not tag.isascii() or len(tag) > _LONGEST_TAG or not isinstance(delivery, dict):
        return False
    if properties.get("body_encoding") == "base64":
        base64.b64decode(body or "")
    elif properties.get("body_encoding") is not None:
        return False
    names = (delivery.get("exchange"), delivery.get("routing_key"), value.get("content-type"))
    return all(isinstance(each, str) for each in (*names, value.get("content-encoding")))


class _Sound:
    """Checks input before kombu does, for both of its channels, with and without Sentinel."""

    connection: Any

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  kombu's signature
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker was closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]  # of the other base class
        return parameters

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002  kombu's signature
        client: Any = super()._create_client(asynchronous)  # type: ignore[misc]  # untyped, as all of it
        parse = client.parse_response

        def parse_response(connection: Any, command_name: str, **options: Any) -> Any:  # noqa: ANN401  redis-py's
            answer = parse(connection, command_name, **options)
            if command_name != "BRPOP" or not answer:
                return answer
            queue, item = answer
            return queue, sound_item(item, queue.decode("utf-8", "replace") if isinstance(queue, bytes) else queue)

        client.parse_response = parse_response
        return client

    def _receive_one(self, c: Any) -> Any:  # noqa: ANN401  as above
        try:
            return super()._receive_one(c)  # type: ignore[misc]  # as above
        except RecursionError:
            _log.warning("dropped a control message that is nested too deep", extra=event("control_message_dropped"))
            raise Empty from None

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:  # noqa: ANN401  as above
        if not is_envelope(message):
            _log.warning(
                "dropped a control message that is no envelope, from the exchange %s",
                exchange,
                extra=event("control_message_dropped"),
            )
            raise Empty
        return super()._deliver_fanout_message(message, exchange)  # type: ignore[misc]  # as above


class _SoundChannel(_Sound, redis.Channel):
    """A channel on Redis."""


class _SoundSentinelChannel(_Sound, redis.SentinelChannel):
    """A channel on the master that Sentinel names."""


class Transport(redis.Transport):
    """For redis:// and rediss://."""

    Channel = _SoundChannel


class SentinelTransport(redis.SentinelTransport):
    """For sentinel://."""

    Channel = _SoundSentinelChannel


def register() -> None:
    """Make this process use them."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:SentinelTransport"
    # kombu caches the transports under these names.
    for scheme in ("redis", "rediss", "sentinel"):
        transport._transport_cache.pop(scheme, None)  # type: ignore[attr-defined]  # noqa: SLF001  no other way
