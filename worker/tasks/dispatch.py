"""Task ``renderwatch.dispatch``: beat sends it each second."""

from typing import Final

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError

from worker.app import app
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.store.leases import Batch
from worker.tasks.check import check
from worker.tasks.names import DISPATCH
from worker.tasks.resources import database, learned
from worker.tracking import dispatch as use_case

_log = get_task_logger(__name__)
# A stale batch does nothing, because its lease in SQL is over. This only keeps a queue that nobody reads from growing,
# with room for hosts whose clocks differ.
_SKEW: Final = 300


@app.task(name=DISPATCH)
def dispatch() -> None:
    """Claim what is due and send the batches."""
    try:
        claimed = use_case.dispatch(database(), get_settings(), learned().durations(), _send)
    except StoreUnavailableError as error:
        _log.error("database unavailable, nothing dispatched: %s", error)
    except OperationalError as error:
        _log.error("broker unavailable, batches come due again when their leases end: %s", error)
    else:
        if claimed:
            _log.info("dispatched projects=%d", claimed)


def _send(batch: Batch) -> None:
    check.apply_async(kwargs={"lease": batch.token}, expires=get_settings().lease_seconds + _SKEW)
