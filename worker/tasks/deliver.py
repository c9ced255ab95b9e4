"""Task ``renderwatch.deliver``: run right after a change, and periodically for deliveries left behind."""

import os
from functools import cache, partial

from celery.utils.log import get_task_logger

from worker.app import app
from worker.delivery.named_brokers import NamedBrokers
from worker.delivery.send import send
from worker.delivery.webhook import Webhooks, make_webhooks
from worker.domain.log_events import event
from worker.settings import get_settings
from worker.store.engine import StoreUnavailableError
from worker.tasks.names import DELIVER
from worker.tasks.resources import database
from worker.tracking import deliver as use_case

_log = get_task_logger(__name__)


@app.task(name=DELIVER)
def deliver() -> None:
    """Send the deliveries that are due."""
    try:
        done = use_case.deliver(
            database(), get_settings(), partial(send, _brokers(os.getpid()), _webhooks(os.getpid()))
        )
    except StoreUnavailableError as error:
        _log.error(
            "database unavailable, nothing delivered: %s", error, extra=event("database_unavailable", work="deliver")
        )
        return
    counts = event("deliveries_made", sent=done.sent, failed=done.failed, dead=done.dead)
    if done.failed:
        _log.warning("delivered sent=%d failed=%d dead=%d", done.sent, done.failed, done.dead, extra=counts)
    elif done.sent:
        _log.info("delivered sent=%d", done.sent, extra=counts)


@cache
def _brokers(_process: int) -> NamedBrokers:
    """Return this process's clients of brokers: connections must not cross a fork."""
    return NamedBrokers(app, get_settings().brokers)


@cache
def _webhooks(_process: int) -> Webhooks:
    """Return this process's sender, which keeps connections open: they must not cross a fork."""
    settings = get_settings()
    return make_webhooks(
        settings.webhook_secrets,
        allow_http=settings.webhook_allow_http,
        allow_networks=settings.webhook_allow_networks,
        timeout=settings.webhook_timeout,
    )
