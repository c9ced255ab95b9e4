"""A consumer that cannot be poisoned: a message that is no task of ours is kept for an operator, and work goes on.

Celery's own consumer rejects most such messages too, but forgets them, and stops at some (a task without an id).
"""

from collections.abc import Callable, Container
from typing import Any, ClassVar, Final

from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer

from worker.store.engine import StoreUnavailableError
from worker.tasks.resources import database
from worker.tasks.watchdog import watchdog
from worker.tracking.intake import reject

_log = get_logger(__name__)
_CeleryBlueprint: Any = CeleryConsumer.Blueprint
_SHOWN: Final = 2000
# The 28 RabbitMQ queues for ETA tasks, which we do not have; and gossip, by which every worker hears every other one's
# heartbeat, and nothing comes of it: what workers must know of each other stands in SQL.
_LEFT_OUT: Final = (":DelayedDelivery", ":Gossip")
# Celery computes with some of the others without looking at them first, and one of a wrong type stops it for good. None
# of them is of use here: nobody else decides when our tasks run and how long, or which tasks follow.
_NEEDED: Final = ("task", "id", "expires", "argsrepr", "kwargsrepr", "origin")


class Consumer(CeleryConsumer):
    """Reads messages from the queues and hands them to the tasks."""

    strategies: dict[str, Any]  # by task name; celery-types does not know it

    class Blueprint(_CeleryBlueprint):  # type: ignore[misc]  # it is a class, which celery-types does not tell
        """What a consumer starts, but for some."""

        default_steps: ClassVar = [step for step in _CeleryBlueprint.default_steps if not step.endswith(_LEFT_OUT)]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:  # noqa: ANN401  Celery's own
        """Return the function that takes each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:  # noqa: ANN401  a kombu message
            watchdog.message_came()
            reason = _fault(message, self.strategies)
            if reason is None:
                message.headers = _needed(message.headers)
                handle(message)
            else:
                _refuse(message, reason)

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401  as above
        """Refuse what cannot even be unpacked."""
        _refuse(message, _unreadable(exc))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ANN401, ARG002  as above
        """Refuse what Celery finds wrong and we did not."""
        _refuse(message, f"Celery cannot take the message: {exc}")


def _fault(message: Any, tasks: Container[str]) -> str | None:  # noqa: ANN401  as above
    """Say what is wrong with a message, before anything of Celery's stumbles over it."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    if not isinstance(headers.get("task"), str) or not isinstance(headers.get("id"), str):
        return "the message is no Celery task: send it with a Celery client, or with its headers task and id"
    if headers["task"] not in tasks:
        return f"there is no task {headers['task'][:200]!r}; other services send renderwatch.track"
    try:
        return _fault_of_body(message.payload)
    except Exception as error:  # noqa: BLE001  decoders raise what they like
        return _unreadable(error)


def _fault_of_body(body: Any) -> str | None:  # noqa: ANN401  whatever was sent
    if not _has_three_parts(body):
        return "the message's body is not [args, kwargs, embed], as Celery's message protocol 2 wants it"
    if not (isinstance(body[0], (list, tuple)) and isinstance(body[1], dict)):
        return "the message's arguments are not a list and an object"
    if body[2] and any(body[2].values()):
        return "the message wants other tasks to follow (link, chain or chord): name destinations in notify instead"
    return None


def _needed(headers: dict[str, Any]) -> dict[str, Any]:
    return {name: headers[name] for name in _NEEDED if isinstance(headers.get(name), str)}


def _has_three_parts(body: object) -> bool:
    return isinstance(body, (list, tuple)) and len(body) == 3 and isinstance(body[2], (dict, type(None)))  # noqa: PLR2004  as said above


def _unreadable(error: Exception) -> str:
    return f"the message cannot be read ({type(error).__name__}): send JSON in UTF-8"


def _refuse(message: Any, reason: str) -> None:  # noqa: ANN401  as above
    _log.error("message rejected: %s", reason)
    body = message.body if isinstance(message.body, (bytes, str)) else repr(message.body)
    shown = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        reject(database(), [(shown[:_SHOWN], reason)])
    except StoreUnavailableError as error:
        _log.error("database unavailable, the rejected message is in this log only: %s", error)
    message.reject()
