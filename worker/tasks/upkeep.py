"""Task ``renderwatch.upkeep``: beat sends it every ten minutes."""

from celery.utils.log import get_task_logger

from worker.app import app
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import KEEP_UP
from worker.tasks.resources import clients, database
from worker.tracking import upkeep as use_case

_log = get_task_logger(__name__)


@app.task(name=KEEP_UP)
def upkeep() -> None:
    """Book the days that are over, remove what is old, note what each account can spend."""
    try:
        kept = use_case.keep_up(database(), get_settings(), clients())
    except StoreUnavailableError as error:
        _log.error("database unavailable, no upkeep: %s", error)
        return
    _log.info("kept up days_booked=%d retired=%d", kept.days_booked, kept.retired)
    for trouble in kept.troubles:
        _log.warning("%s", trouble)
