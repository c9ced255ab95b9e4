"""py-amqp messages that tolerate unreadable properties: endless nesting, unknown types, times out of range.

py-amqp parses them while it reads from the connection, so such a message ends the worker, is redelivered, and ends the
next one. Here the message continues without its properties, and the worker's consumer rejects and keeps it.
"""

import logging
from typing import Any, Final

from amqp import method_framing
from amqp.basic_message import Message

from worker.domain.log_events import event
from worker.tasks.brokers.redis_transport import FAULT_HEADER

_log: Final = logging.getLogger(__name__)


class SoundMessage(Message):
    """A message whose properties may be unreadable."""

    def _load_properties(self, class_id: int, buf: Any, offset: int) -> Any:  # noqa: ANN401  py-amqp's signature
        try:
            return super()._load_properties(class_id, buf, offset)  # type: ignore[misc]  # untyped, as all of it
        except Exception as error:  # noqa: BLE001  decoders raise what they like
            _log.debug("unreadable properties: %s", error, extra=event("broker_message_unreadable"))
            reason = "not a Celery message: its AMQP properties cannot be read; send it with a Celery client"
            self.properties = {"application_headers": {FAULT_HEADER: reason}}
            return len(buf)


def register() -> None:
    """Make this process use it; py-amqp has no other hook."""
    method_framing.Message = SoundMessage  # type: ignore[misc]  # intended
