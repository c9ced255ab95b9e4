"""The heartbeats of worker and beat, written by their main loops, so that a loop that hangs stops them."""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from celery import bootsteps

from worker.domain.log_events import event
from worker.domain.monitoring.broker_remedy import OUT_OF_MEMORY
from worker.health.process_heartbeat import BEAT_EVERY, ProcessHeartbeat, Role
from worker.settings import get_settings
from worker.tasks.intake.consumer import intake_problem

_log = logging.getLogger(__name__)
NO_BROKER: Final = "no connection to the broker; see its log, and correct CELERY_BROKER_URL if it is wrong"


_beat_at: dict[Role, float] = {}


def seconds_since_beat(role: Role) -> float:
    """Return the seconds since this process's last heartbeat; 0 before the first one."""
    now = time.monotonic()
    return now - _beat_at.get(role, now)


@cache
def heartbeat(role: Role) -> Callable[[str | None], None]:
    """Return a function that writes this process's heartbeat, with its problem if any. The first call creates it.

    If the folder is not writable, nothing is written.
    """
    folder = get_settings().state_dir / "processes"
    try:
        file = ProcessHeartbeat(folder, role)
    except OSError as error:
        _log.warning(
            "cannot write the heartbeat to %s (%s); renderwatch health will not see it",
            folder,
            error,
            extra=event("heartbeat_not_written"),
        )
        file = None

    def beat(problem: str | None) -> None:
        _beat_at[role] = time.monotonic()
        if file is not None:
            file.beat(problem)

    return beat


class HeartbeatStep(bootsteps.StartStopStep):
    """A step of the worker's consumer that writes heartbeats from its event loop."""

    requires = ("celery.worker.consumer.connection:Connection",)

    _timer: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401  Celery's own
        """Write a heartbeat now and every few seconds. Celery restarts this step with each connection."""
        beat = heartbeat("worker")

        def turn() -> None:
            beat(intake_problem())

        turn()
        self._timer = parent.timer.call_repeatedly(BEAT_EVERY, turn)

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Stop the heartbeats."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def why_not_sent(error: BaseException) -> str:
    """Return what keeps beat from sending to the broker, given the error of an attempt."""
    words = str(error).partition("\n")[0] or type(error).__name__
    words = words.removeprefix("Couldn't apply scheduled task ").partition(": ")[2] or words
    return f"the broker is full ({words})" if OUT_OF_MEMORY in words else f"{NO_BROKER} ({words})"


def beat_while_connecting(
    connection: Any,  # noqa: ANN401  kombu's
    role: Role,
    note: Callable[[str], object] = lambda _: None,
) -> None:
    """Write heartbeats while a connection is being established, because a process that waits for its broker is alive.

    ``note`` is called with what it waits for.
    """
    ensure = connection.ensure_connection

    def ensure_connection(*args: Any, callback: Callable[[], None] | None = None, **kwargs: Any) -> Any:  # noqa: ANN401  as above
        def beat_first() -> None:
            heartbeat(role)(NO_BROKER)
            note(NO_BROKER)
            if callback:
                callback()

        return ensure(*args, callback=beat_first, **kwargs)

    connection.ensure_connection = ensure_connection
