"""Task ``renderwatch.track``: other services hand over ids."""

import time
from typing import Any, Final

from celery.exceptions import Reject
from celery.utils.log import get_task_logger

from worker.app import app
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import TRACK
from worker.tasks.resources import database
from worker.tracking.intake import Rejection, Taken, reject, track_message

_log = get_task_logger(__name__)
_WAIT: Final = 5


@app.task(name=TRACK)
def track(*args: object, **kwargs: Any) -> None:  # noqa: ANN401  whatever another service sent; intake judges it
    """Store what came. While the database is away the message goes back to the broker: it is accepted only in SQL."""
    try:
        taken = _take(args, kwargs)
    except StoreUnavailableError as error:
        _log.error("database unavailable, request goes back to its queue: %s", error)
        time.sleep(_WAIT)  # everything waits for the database; without this the message would go round and round
        raise Reject(str(error), requeue=True) from None
    _log.info(
        "tracked new=%d known=%d reopened=%d rejected=%d", taken.new, taken.known, taken.reopened, len(taken.rejected)
    )
    for rejection in taken.rejected[:10]:
        _log.warning("rejected item %d: %s", rejection.position, rejection.reason)


def _take(args: tuple[object, ...], kwargs: dict[str, Any]) -> Taken:
    try:
        return track_message(database(), get_settings(), args, kwargs)
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  a fault of ours must not cost the request without a trace
        _log.exception("request failed")
        reason = f"internal error: {type(error).__name__}"
        reject(database(), [(repr((args, kwargs)), reason)])
        return Taken(0, 0, 0, (Rejection(0, (args, kwargs), reason),))
