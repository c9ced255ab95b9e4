"""Task ``renderwatch.upkeep``: sent by beat every ten minutes."""

from celery.utils.log import get_task_logger

from worker.app import app
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.checking import clients
from worker.tasks.names import MAINTENANCE
from worker.tasks.resources import database
from worker.tracking import maintenance as use_case

_log = get_task_logger(__name__)


@app.task(name=MAINTENANCE)
def upkeep() -> None:
    """Close past days, remove old projects, and record account balances."""
    try:
        result = use_case.run_maintenance(database(), get_settings(), clients())
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, no maintenance: %s", error, extra=event("database_unavailable", work="maintenance")
        )
        return
    _log.info(
        "maintenance days_closed=%d retired=%d",
        result.days_closed,
        result.retired,
        extra=event("maintenance_done", days_closed=result.days_closed, retired=result.retired),
    )
    for trouble in result.troubles:
        _log.warning("%s", trouble, extra=event("balance_unknown"))
