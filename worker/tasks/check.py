"""Task ``renderwatch.check``: one batch of leased projects."""

import logging
import time
from typing import Final

from celery.utils.log import get_task_logger

from worker.app import app
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.checking import clients, learned_durations
from worker.tasks.deliver import deliver
from worker.tasks.learn_durations import learn
from worker.tasks.names import CHECK
from worker.tasks.resources import database
from worker.tasks.send_soon import send_soon
from worker.tracking import check as use_case

_log = get_task_logger(__name__)


class _Spacing:
    """Limits how often something happens in this process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = -float("inf")

    def is_free(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


# Beat requests learning each minute, but a type without any data should not wait for that.
_learning: Final = _Spacing(8.0)


@app.task(name=CHECK)
def check(lease: str) -> None:
    """Check the projects of a lease. If anything fails, they come due again when the lease ends."""
    try:
        recorded = use_case.check(database(), get_settings(), clients(), learned_durations().durations(), lease)
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, batch given up: %s",
            error,
            extra=event("database_unavailable", work="check", batch=lease),
        )
        return
    if recorded is None:
        _log.info("batch skipped: its lease is over or taken", extra=event("batch_skipped", batch=lease))
        return
    failures = ",".join(f"{failure_kind}:{count}" for failure_kind, count in sorted(recorded.failures.items()))
    _log.log(
        logging.WARNING if failures else logging.INFO,
        "checked=%d changed=%d lost=%d problems=%s",
        recorded.checked,
        recorded.changed,
        recorded.lost,
        failures or "none",
        extra=event(
            "batch_checked",
            batch=lease,
            checked=recorded.checked,
            changed=recorded.changed,
            lost=recorded.lost,
            failures=failures,
        ),
    )
    if recorded.deliveries:
        send_soon(_log, "deliver", deliver.apply_async, "the sweep will deliver")
    if recorded.ended and _learning.is_free():
        send_soon(_log, "learn", learn.apply_async, "the next round of beat will learn from these ends")
