"""A consumer that poison messages cannot stop: a message that is not a valid task is kept for an operator.

Celery's own consumer rejects most such messages too, but discards them, and some stop it (a task without an id).
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from amqp.exceptions import AccessRefused
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown

from worker.domain.intake.bounded_json import is_too_deep
from worker.domain.log_events import event
from worker.store.engine import StoreUnavailableError
from worker.tasks.brokers.compression import UnpackError
from worker.tasks.brokers.redis_transport import FAULT_HEADER
from worker.tasks.intake.protocol import FOLLOWED, NO_ARGUMENTS, NO_TASK, NOT_THREE_PARTS
from worker.tasks.names import CHECK, CONFIRM, INTAKE, TRACK
from worker.tasks.processes.main_loop_heartbeat import NO_BROKER, HeartbeatStep, beat_while_connecting, heartbeat
from worker.tasks.resources import database
from worker.tracking.intake.track import reject

_log = get_logger(__name__)
_CeleryBlueprint: Any = CeleryConsumer.Blueprint
_WAIT: Final = 5.0
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
_UNREADABLE: Final = (
    "the message cannot be read: send JSON in UTF-8, compressed with gzip, bzip2 or lzma, or not at all"
)
# The keyword arguments of tasks that have any, and their patterns.
_ARGUMENTS: Final = {CHECK: {"lease": re.compile("[0-9a-f-]{36}")}}
# All others are included on the command line, like the demo's example, and may take anything.
_SENT_BY_US: Final = "renderwatch."
# The 28 RabbitMQ queues for ETA tasks, which we do not have; and gossip: every worker receives every other's
# heartbeat for nothing: workers share their state through SQL.
_LEFT_OUT: Final = (":DelayedDelivery", ":Gossip")
# Celery uses some of the other headers unchecked, and one of a wrong type stops it for good. None
# of them is needed here: senders do not decide when our tasks run, how long, or what follows.
_NEEDED: Final = ("task", "id", "argsrepr", "kwargsrepr", "origin")


class Consumer(CeleryConsumer):
    """Reads messages from the queues and runs the tasks."""

    # celery-types does not know these.
    strategies: dict[str, Any]  # by task name
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    _attempts = 0  # to connect, since the last that succeeded

    class Blueprint(_CeleryBlueprint):  # type: ignore[misc]  # it is a class, which celery-types does not declare
        """The steps of a consumer, without some."""

        default_steps: ClassVar = [
            *(step for step in _CeleryBlueprint.default_steps if not step.endswith(_LEFT_OUT)),
            HeartbeatStep,
        ]

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401  a kombu connection
        """Connect, with a heartbeat at each attempt."""
        beat_while_connecting(conn, "worker")
        connected = super().ensure_connected(conn)
        self._attempts = 0
        return connected

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait before the next attempt: Celery tries again at once when RabbitMQ refuses a user or a virtual host."""
        super().on_connection_error_before_connected(exc)
        self._wait_before_next_attempt()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Wait in the same way after a refusal to use a queue, which follows every connection."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, AccessRefused):
            self._wait_before_next_attempt()

    def _wait_before_next_attempt(self) -> None:
        pause = _PAUSES[min(self._attempts, len(_PAUSES) - 1)]
        self._attempts += 1
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            maybe_shutdown()
            heartbeat("worker")(NO_BROKER)
            time.sleep(min(left, 1))

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401  Celery's own
        """Return the function that handles each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:  # noqa: ANN401  a kombu message
            reason = _fault(message, self.strategies)
            if reason is None:
                message.headers = _needed(message.headers)
                reason = self._hand_over(message, handle)
            if reason is not None:
                self._refuse(message, reason)

        return on_task_received

    def _hand_over(self, message: Any, handle: Callable[[Any], None]) -> str | None:  # noqa: ANN401  as above
        """Pass a message to Celery. Returns what is wrong if that fails, which would otherwise end the worker."""
        try:
            handle(message)
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001  Celery computes with what strangers sent
            _log.exception("Celery cannot take a message", extra=event("request_failed"))
            return f"Celery cannot take the message ({type(error).__name__})"
        return None

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401  as above
        """Reject a message that cannot even be decoded."""
        self._refuse(message, str(exc) if isinstance(exc, UnpackError) else _UNREADABLE)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ANN401, ARG002  as above
        """Reject a message that Celery refuses."""
        self._refuse(message, f"Celery cannot take the message: {exc}")

    def _refuse(self, message: Any, reason: str) -> None:  # noqa: ANN401  as above
        """Keep the message with the reason. If the database is unavailable, requeue it after a while."""
        reason = f"in the queue {_queue(message)}: {reason}"
        _log.warning("rejected: %s", reason, extra=event("request_rejected", reason=reason))
        try:
            reject(database(), [(_text(message.body), reason)])
        except StoreUnavailableError as error:
            _log.error(
                "database unavailable, the rejected message goes back to its queue: %s",
                error,
                extra=event("database_unavailable", work="reject"),
            )
            self.timer.call_after(_WAIT, message.requeue)
            return
        message.reject()


def _fault(message: Any, tasks: Mapping[str, Any]) -> str | None:  # noqa: ANN401  as above
    """Return what is wrong with a message, before Celery processes it."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    if isinstance(headers.get(FAULT_HEADER), str):
        return str(headers[FAULT_HEADER])
    if not isinstance(headers.get("task"), str) or not isinstance(headers.get("id"), str):
        return NO_TASK
    # Celery's built-in tasks, such as celery.chord, are not used here.
    if headers["task"] not in tasks or headers["task"].startswith("celery."):
        return f"there is no task {headers['task'][:200]!r}; other services send renderwatch.track"
    try:
        if is_too_deep(_text(message.body)):
            return "the message's body is nested too deep"
        return _fault_of_body(headers["task"], message.payload)
    except Exception as error:  # noqa: BLE001  decoders raise what they like
        _log.debug("unreadable: %s", error, extra=event("broker_message_unreadable"))
        return _UNREADABLE


def _fault_of_body(task: str, body: Any) -> str | None:  # noqa: ANN401  whatever was sent
    if not _has_three_parts(body):
        return NOT_THREE_PARTS
    args, kwargs, embed = body
    if not (isinstance(args, (list, tuple)) and isinstance(kwargs, dict)):
        return NO_ARGUMENTS
    if embed and any(embed.values()):
        return FOLLOWED
    if task in {TRACK, CONFIRM}:
        return f"the message is in the wrong queue: send it to {INTAKE}" if "self" in kwargs else None
    as_sent_by_us = (
        not args
        and kwargs.keys() == (expected := _ARGUMENTS.get(task, {})).keys()
        and all(isinstance(each, str) and expected[name].fullmatch(each) for name, each in kwargs.items())
    )
    if task.startswith(_SENT_BY_US) and not as_sent_by_us:
        return f"{task} is sent by Renderwatch itself, with other arguments"
    return None


def _queue(message: Any) -> str:  # noqa: ANN401  as above
    """Return the name of the queue that a message came from, as it claims."""
    delivery = message.delivery_info if isinstance(message.delivery_info, dict) else {}
    return str(delivery.get("routing_key") or "of this worker")[:100]


def _needed(headers: dict[str, Any]) -> dict[str, Any]:
    kept = {name: headers[name] for name in _NEEDED if isinstance(headers.get(name), str)}
    expires = _time(headers.get("expires"))
    return kept | ({"expires": expires} if expires else {})


def _time(value: object) -> str | None:
    """Return a time in a form that Celery can parse; None if it is not a time."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # a TypeError is handled too
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


def _has_three_parts(body: object) -> bool:
    return isinstance(body, (list, tuple)) and len(body) == 3 and isinstance(body[2], (dict, type(None)))  # noqa: PLR2004  as said above


def _text(body: object) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
