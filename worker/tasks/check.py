"""Task ``renderwatch.check``: one batch of leased projects."""

from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError

from worker.app import app
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.deliver import deliver
from worker.tasks.names import CHECK
from worker.tasks.resources import clients, database, learned
from worker.tracking import check as use_case

_log = get_task_logger(__name__)


@app.task(name=CHECK)
def check(lease: str) -> None:
    """Check the projects of a lease. Whatever fails here, they are due again when the lease ends."""
    try:
        recorded = use_case.check(database(), get_settings(), clients(), learned().durations(), lease)
    except StoreUnavailableError as error:
        _log.error("database unavailable, batch given up: %s", error)
        return
    if recorded is None:
        _log.info("batch skipped: its lease is over or taken")
        return
    problems = ",".join(f"{problem}:{count}" for problem, count in sorted(recorded.problems.items()))
    level = "warning" if problems else "info"
    getattr(_log, level)(
        "checked=%d changed=%d lost=%d problems=%s",
        recorded.checked,
        recorded.changed,
        recorded.lost,
        problems or "none",
    )
    if recorded.deliveries:
        _deliver_soon()


def _deliver_soon() -> None:
    try:
        deliver.apply_async()
    except OperationalError as error:
        _log.warning("broker unavailable, the sweep will deliver: %s", error)
