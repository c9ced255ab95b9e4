"""Task ``renderwatch.deliver``: right after a change, and as a sweep for what was left behind."""

from celery.utils.log import get_task_logger

from worker.app import app
from worker.delivery.celery_task import delivery_task_id, send_to_celery
from worker.domain.destination import parse_destination
from worker.settings import get_settings
from worker.store.deliveries import DueDelivery
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import DELIVER
from worker.tasks.resources import database
from worker.tracking import deliver as use_case

_log = get_task_logger(__name__)


@app.task(name=DELIVER)
def deliver() -> None:
    """Send the news that is due."""
    try:
        done = use_case.deliver(database(), get_settings(), _send)
    except StoreUnavailableError as error:
        _log.error("database unavailable, nothing delivered: %s", error)
        return
    if done.failed:
        _log.warning("delivered sent=%d failed=%d dead=%d", done.sent, done.failed, done.dead)
    elif done.sent:
        _log.info("delivered sent=%d", done.sent)


def _send(delivery: DueDelivery) -> None:
    target = parse_destination(delivery.destination)
    send_to_celery(app, target, delivery_task_id(delivery.event_id, delivery.destination), delivery.payload)
