"""The accounts that tracking requests name: a sender may name any."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from worker.domain.monitoring.account_keys import has_key
from worker.store.counting import count_up_to
from worker.store.models import Account
from worker.store.monitoring.job_heartbeats import last_heartbeat

# Accounts that may be stored without an API key. Each adds queries to every health check.
MOST_ACCOUNTS: Final = 500


def accounts_without_key(
    connection: Connection, names: Collection[str], own: Collection[str], now: datetime
) -> tuple[str, ...]:
    """Return the accounts that neither this process nor, as far as is known, a worker has a key for."""
    names = set(names) - set(own)
    if not names:
        return ()
    last_dispatch = last_heartbeat(connection, "dispatch")
    known = connection.execute(select(Account.name, Account.refilled_at).where(Account.name.in_(names)))
    with_key = {name for name, at in known.all() if has_key(name, own, at, last_dispatch, now) is not False}
    return tuple(sorted(names - with_key))


def accounts_beyond_bound(connection: Connection, names: Collection[str]) -> set[str]:
    """Return the names that are not stored and must not be: there are too many accounts already."""
    stored = set(connection.scalars(select(Account.name).where(Account.name.in_(names)))) if names else set()
    unknown = sorted(set(names) - stored)
    if not unknown:
        return set()
    room = MOST_ACCOUNTS - count_up_to(connection, select(Account.name), MOST_ACCOUNTS)
    return set(unknown[max(0, room) :])
