"""Parsing messages of the intake queue, without Celery or kombu."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.domain.intake import bounded_json
from worker.domain.intake.request import RequestError, Sender
from worker.domain.intake.trace_headers import read_trace_headers
from worker.tasks.brokers.compression import MOST_BYTES, TOO_LARGE, UnpackError, unpack
from worker.tasks.brokers.redis_transport import FAULT_HEADER
from worker.tasks.names import TRACK
from worker.tracking.intake.messages import Incoming
from worker.tracking.intake.track import items_of, sender_of

_HOW: Final = (
    f'send it with a Celery client, send_task("{TRACK}", kwargs=…, queue="renderwatch.intake"), or to POST /v1/projects'
)
_NO_MESSAGE: Final = f"not a Celery message: {_HOW}"
NO_TASK: Final = "the message is not a Celery task: send it with a Celery client, or with its headers task and id"
NOT_THREE_PARTS: Final = "the message's body is not [args, kwargs, embed], as Celery's message protocol 2 requires"
NO_ARGUMENTS: Final = "the message's arguments are not a list and an object"
FOLLOWED: Final = "the message wants other tasks to follow (link, chain or chord): name destinations in notify instead"
_CHARSETS: Final = {"utf-8", "utf8", "us-ascii", "ascii", "binary"}


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message."""

    headers: object
    content_type: object
    charset: object
    body: bytes


class FaultError(ValueError):
    """What is wrong with a message."""


def open_redis_item(item: bytes) -> Message:
    """Open an item of a Redis list: kombu's JSON envelope around headers, properties and body. Raises FaultError."""
    if len(item) > MOST_BYTES:
        raise FaultError(TOO_LARGE)
    try:
        envelope = bounded_json.loads(item)
    except bounded_json.RepeatedKeyError as error:
        raise FaultError(f"the message's envelope is ambiguous: {error}") from None
    except ValueError:
        raise FaultError(_NO_MESSAGE) from None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("headers"), dict):
        raise FaultError(_NO_MESSAGE)
    properties, body = envelope.get("properties"), envelope.get("body")
    if not isinstance(properties, dict) or not isinstance(body, str):
        raise FaultError(_NO_MESSAGE)
    if not isinstance(properties.get("delivery_tag"), str) or not isinstance(properties.get("delivery_info"), dict):
        raise FaultError(f"the message has no delivery_tag or no delivery_info: {_HOW}")
    unpacked = _decode(body, properties.get("body_encoding"))
    return Message(envelope["headers"], envelope.get("content-type"), envelope.get("content-encoding"), unpacked)


def _decode(body: str, encoding: object) -> bytes:
    if encoding is None:
        return body.encode("utf-8", "surrogatepass")
    if encoding != "base64":
        raise FaultError(f"the message cannot be read: its body_encoding is neither base64 nor left out; {_HOW}")
    try:
        return base64.b64decode(body)
    except (binascii.Error, ValueError):
        raise FaultError(f"the message cannot be read: its body is not base64; {_HOW}") from None


def read_redis_item(item: bytes) -> list[Incoming]:
    """Read an item of the intake queue on Redis, as read_message() does."""
    try:
        return read_message(open_redis_item(item))
    except FaultError as error:
        return [_refused(item, error)]


def read_message(message: Message) -> list[Incoming]:
    """Parse a message of the intake queue. Returns its requests, or one rejection."""
    try:
        task, text, args, kwargs = read_call(message, TRACK)
    except FaultError as error:
        return [_refused(message.body, error)]
    try:
        items = items_of(args, kwargs)
    except RequestError as error:
        return [Incoming(fault=str(error), text=text)]
    # Keep what was nested too deeply as it was sent.
    whole = text if len(items) == 1 and bounded_json.is_too_deep(text) else None
    sender = Sender(sender_of(task.get("origin")), read_trace_headers(task))
    return [Incoming(request=item, text=whole, sender=sender) for item in items]


def read_call(message: Message, task: str) -> tuple[dict[str, Any], str, list[Any], dict[str, Any]]:
    """Read a message that calls one task: its headers, its body as text, and the arguments. Raises FaultError."""
    headers = _headers(message.headers, task)
    try:
        text = _text(headers, message.content_type, message.charset, message.body)
    except UnpackError as error:
        raise FaultError(str(error)) from None
    return headers, text, *_parts(text)


def _headers(headers: object, task: str) -> dict[str, Any]:
    if isinstance(headers, dict) and isinstance(headers.get(FAULT_HEADER), str):
        raise FaultError(headers[FAULT_HEADER])
    if not isinstance(headers, dict) or not all(isinstance(headers.get(name), str) for name in ("task", "id")):
        raise FaultError(NO_TASK)
    if headers["task"] != task:
        raise FaultError(f"there is no task {headers['task'][:200]!r} in this queue; other services send {task}")
    return headers


def _text(headers: Mapping[str, Any], content_type: object, charset: object, body: bytes) -> str:
    if content_type != "application/json" or not isinstance(charset, str) or charset.lower() not in _CHARSETS:
        raise FaultError("the message cannot be read: send JSON in UTF-8")
    compression = headers.get("compression")
    if compression is not None:
        body = unpack(body, compression)
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise FaultError("the message cannot be read: send JSON in UTF-8") from None


def _parts(text: str) -> tuple[list[Any], dict[str, Any]]:
    try:
        body = bounded_json.loads(text, constants=True) if text else None
    except bounded_json.RepeatedKeyError as error:
        raise FaultError(f"the message is ambiguous: {error}") from None
    except ValueError:
        raise FaultError("the message cannot be read: its body is not JSON") from None
    if not isinstance(body, list) or len(body) != 3 or not isinstance(body[2], (dict, type(None))):  # noqa: PLR2004  as said
        raise FaultError(NOT_THREE_PARTS)
    args, kwargs, embed = body
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise FaultError(NO_ARGUMENTS)
    if embed and any(embed.values()):
        raise FaultError(FOLLOWED)
    return args, kwargs


def _refused(raw: bytes, error: Exception) -> Incoming:
    return Incoming(fault=str(error), text=raw.decode("utf-8", "replace"))
