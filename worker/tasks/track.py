"""Task ``renderwatch.track``: other services send the ids of projects to track."""

import time
from typing import Any, Final

from celery import Task
from celery.exceptions import Reject
from celery.utils.log import get_task_logger

from worker.app import app
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.intake.log_outcome import log_outcome
from worker.tasks.names import TRACK
from worker.tasks.resources import database
from worker.tracking.intake.track import IntakeResult, Rejection, reject, track_message

_log = get_task_logger(__name__)
_WAIT: Final = 5


@app.task(name=TRACK, bind=True)
def track(self: "Task[..., None]", /, *args: object, **kwargs: Any) -> None:  # noqa: ANN401  as another service sent it
    """Store what came. While the database is away the message goes back to the broker: it is accepted only in SQL."""
    try:
        taken = _take(args, kwargs, self.request.origin)
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, request goes back to its queue: %s",
            error,
            extra=event("database_unavailable", work="track"),
        )
        time.sleep(_WAIT)  # everything waits for the database; without this the message would loop tightly
        raise Reject(str(error), requeue=True) from None
    log_outcome(taken)


def _take(args: tuple[object, ...], kwargs: dict[str, Any], origin: object) -> IntakeResult:
    try:
        return track_message(database(), get_settings(), args, kwargs, origin)
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  a fault of ours must not cost the request without a trace
        _log.exception("request failed", extra=event("request_failed"))
        reason = f"internal error: {type(error).__name__}"
        reject(database(), [(repr((args, kwargs)), reason)])
        return IntakeResult(rejected=(Rejection(0, (args, kwargs), reason),))
