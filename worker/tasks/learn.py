"""Task ``renderwatch.learn``: beat sends it each minute."""

from celery.utils.log import get_task_logger

from worker.app import app
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import LEARN
from worker.tasks.resources import database
from worker.tracking import learn as use_case

_log = get_task_logger(__name__)


@app.task(name=LEARN)
def learn() -> None:
    """Learn how long renders take from those that finished since the last time."""
    try:
        types = use_case.learn(database())
    except StoreUnavailableError as error:
        _log.error("database unavailable, nothing learned: %s", error)
    else:
        if types:
            _log.info("learned types=%d", types)
