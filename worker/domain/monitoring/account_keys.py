"""Which accounts the workers have an API key for, as every process can tell from the database.

Keys are in the workers' settings alone. A worker that dispatches refills the allowance of each account that it has a
key for, also when nothing is due, and so shows which these are.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from worker.domain.monitoring.facts import is_alive

# Seconds: how often it is shown at least, and how long it counts. Several workers may take turns.
SHOWN_EVERY: Final = 10.0
_UNSEEN_AFTER: Final = 60.0


def has_key(
    account: str, own: Collection[str], refilled_at: datetime, last_dispatch: datetime | None, now: datetime
) -> bool | None:
    """Whether a worker has the key of an account; None if nobody can tell.

    While nothing is dispatched, the accounts with a key in this process, ``own``, are all that is known.
    """
    if is_alive(last_dispatch, now):
        return (now - refilled_at).total_seconds() <= _UNSEEN_AFTER
    return account in own if own else None
