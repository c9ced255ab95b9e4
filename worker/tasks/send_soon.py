"""Sending a task at once that beat also sends from time to time."""

import logging
from collections.abc import Callable

from kombu.exceptions import OperationalError

from worker.domain.log_events import event


def send_soon(log: logging.Logger, task: str, send: Callable[[], object], otherwise: str) -> None:
    """Send a task now. If the broker is away, log what happens ``otherwise``."""
    try:
        send()
    except OperationalError as error:
        extra = event("broker_unavailable", work=task)
        log.warning("broker unavailable, %s: %s", otherwise, error, extra=extra)
