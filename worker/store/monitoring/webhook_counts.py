"""How many webhooks came from Magic Hour, and when the last one did."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from worker.domain.metrics import WEBHOOKS_RECEIVED, labels
from worker.domain.monitoring.facts import NO_WEBHOOK_AFTER, WEBHOOKS_FORGOTTEN_AFTER, WEBHOOKS_MISSED
from worker.store.counting import count_up_to
from worker.store.models import MetricTotal, TrackedProject
from worker.store.monitoring.totals import add_totals

REFUSED: Final = "refused"
_TABLE: Final[Any] = MetricTotal.__table__
_PROJECTS: Final[Any] = TrackedProject.__table__
# A webhook may come after the check that found the same end.
_SLACK: Final = timedelta(minutes=1)


def count_webhooks(connection: Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add counts of webhooks, by account and outcome."""
    add_totals(connection, {(WEBHOOKS_RECEIVED, labels(*key)): count for key, count in counts.items()})


def last_webhooks(connection: Connection) -> dict[str, datetime]:
    """Return when each account's last webhook with a valid signature came."""
    statement = (
        select(_TABLE.c.labels, func.max(_TABLE.c.updated_at))
        .where(_TABLE.c.metric == WEBHOOKS_RECEIVED)
        .group_by(_TABLE.c.labels)
    )
    last: dict[str, datetime] = {}
    for text, moment in connection.execute(statement):
        account, outcome = json.loads(text)
        if outcome != REFUSED:
            last[account] = max(moment, last.get(account, moment))
    return last


def count_missed(connection: Connection, account: str, last: datetime, now: datetime) -> int:
    """Return how many renders of an account, at most WEBHOOKS_MISSED, ended since its last webhook without one.

    0 if that webhook is recent, or so old that they are taken to be given up.
    """
    if not NO_WEBHOOK_AFTER < (now - last).total_seconds() < WEBHOOKS_FORGOTTEN_AFTER:
        return 0
    ended = (
        select(_PROJECTS.c.id)
        .where(_PROJECTS.c.account == account, _PROJECTS.c.status.in_(("complete", "error")))
        .where(_PROJECTS.c.finished_at > last + _SLACK)
    )
    return count_up_to(connection, ended, WEBHOOKS_MISSED)
