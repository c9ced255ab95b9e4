"""A worker's check of the API at start-up, with a warning in the log."""

import logging
from functools import partial
from typing import Final

from worker.domain.log_events import event
from worker.domain.projects.observation import FailureKind
from worker.magic_hour.client import WRONG_BASE_URL
from worker.settings import get_settings
from worker.store.engine import Database
from worker.store.scheduling.rate_limits import take_request_unless_paused
from worker.tracking.clients import Clients
from worker.tracking.request_allowance import wait_for_request

_NO_API: Final = frozenset({FailureKind.NOT_FOUND, FailureKind.BAD_ANSWER})
_PATIENCE: Final = 5.0
_log: Final = logging.getLogger("renderwatch")


def check_api(own: Database) -> None:
    """Request the account once, within its rate limit, and warn if the server is not the Magic Hour API."""
    settings = get_settings()
    account = next(iter(settings.accounts), None)
    if account is None:
        return
    take = partial(take_request_unless_paused, account=account, limits=settings.limits)
    if not wait_for_request(own, take, _PATIENCE):
        return
    clients = Clients(settings)
    client = clients.of(account)
    problem = client.account_problem() if client else None
    clients.close()
    if problem is not None and (problem.kind in _NO_API or WRONG_BASE_URL in problem.detail):
        _log.warning(
            "%s does not look like the Magic Hour API: asked for the account (GET /v1/account), %s. If projects are not"
            " found either, correct MAGIC_HOUR_BASE_URL, which ends before /v1",
            settings.magic_hour_base_url,
            problem.sentence,
            extra=event("api_not_recognized", account=account),
        )
