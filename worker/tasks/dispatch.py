"""Task ``renderwatch.dispatch``: sent by beat each second."""

from functools import partial
from typing import Final

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError

from worker.app import app
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.store.scheduling.leases import Batch
from worker.tasks.check import check
from worker.tasks.checking import learned_durations
from worker.tasks.intake.log_outcome import log_outcome
from worker.tasks.names import DISPATCH
from worker.tasks.resources import database
from worker.tracking import dispatch as use_case
from worker.tracking.fault_isolation import attempt
from worker.tracking.intake.sql_requests import take_in

_log = get_task_logger(__name__)
# A stale batch does nothing, because its lease is over. This only limits a queue that is not consumed,
# with a margin for hosts whose clocks differ.
_SKEW: Final = 300


@app.task(name=DISPATCH)
def dispatch() -> None:
    """Claim what is due and send the batches; then take in the requests that were sent in SQL."""
    try:
        durations = learned_durations().durations()
        claimed = use_case.dispatch(database(), get_settings(), durations, _send)
        taken = attempt("taking in track_requests", partial(take_in, database(), get_settings(), durations))
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, nothing dispatched: %s", error, extra=event("database_unavailable", work="dispatch")
        )
    except OperationalError as error:
        _log.error(
            "broker unavailable, batches come due again when their leases end: %s",
            error,
            extra=event("broker_unavailable", work="dispatch"),
        )
    else:
        if claimed:
            _log.info("dispatched projects=%d", claimed, extra=event("dispatched", projects=claimed))
        if taken:
            log_outcome(taken)


def _send(batch: Batch) -> None:
    check.apply_async(kwargs={"lease": batch.token}, expires=get_settings().lease_seconds + _SKEW)
