"""Task ``renderwatch.learn``: sent by beat each minute."""

from celery.utils.log import get_task_logger

from worker.app import app
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import LEARN
from worker.tasks.resources import database
from worker.tracking import learn_durations as use_case

_log = get_task_logger(__name__)


@app.task(name=LEARN)
def learn() -> None:
    """Learn how long renders take, and how often credits change later, from what finished since the last time."""
    try:
        types = use_case.learn_durations(database(), get_settings().settle_gaps)
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, nothing learned: %s", error, extra=event("database_unavailable", work="learn")
        )
    else:
        if types:
            _log.info("learned types=%d", types, extra=event("durations_learned", types=types))
