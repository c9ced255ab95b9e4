"""The accounts' rate limits and prices."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from worker.domain.scheduling import pricing
from worker.domain.scheduling.rate_limit import Limits, RateLimit, available, consume, refill
from worker.store.models import Account, RequestMinute
from worker.store.scheduling.leases import in_flight
from worker.store.types import Now

_FIELDS: Final = tuple(field.name for field in fields(RateLimit))
_ACCOUNTS: Final[Any] = Account.__table__
_ACCOUNT_STATE: Final = select(_ACCOUNTS, Now().label("now")).where(_ACCOUNTS.c.name == bindparam("account"))


def insert_ignoring(connection: Connection, table: Any) -> Any:  # noqa: ANN401  the two dialects share no type
    """Return an INSERT that skips existing rows."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def ensure_accounts(connection: Connection, names: Iterable[str], now: datetime) -> None:
    """Create the rows of new accounts; they start with no available requests."""
    rows = [{"name": name, "tokens": 0.0, "refilled_at": now} for name in sorted(set(names))]
    if rows:
        connection.execute(insert_ignoring(connection, Account), rows)


def _rate_limit(row: RowMapping) -> RateLimit:
    return RateLimit(**{name: row[name] for name in _FIELDS})


def lock_free_rate_limits(connection: Connection, names: Collection[str] | None = None) -> dict[str, RateLimit]:
    """Lock the accounts (all, or those with these names) that are not locked, and return their rate limits.

    The lock does not conflict with that of inserting projects, which only refer to the account.
    """
    statement = select(Account).order_by(Account.name).with_for_update(skip_locked=True, key_share=True)
    if names is not None:
        statement = statement.where(Account.name.in_(sorted(names)))
    return {row["name"]: _rate_limit(row) for row in connection.execute(statement).mappings()}


def lock_rate_limit(connection: Connection, account: str) -> RateLimit:
    """Lock one account, and return its rate limit."""
    statement = select(Account).where(Account.name == account).with_for_update(key_share=True)
    return _rate_limit(connection.execute(statement).mappings().one())


def save_rate_limit(connection: Connection, account: str, rate_limit: RateLimit) -> None:
    """Save a rate limit."""
    values = {name: getattr(rate_limit, name) for name in _FIELDS}
    connection.execute(update(Account).where(Account.name == account).values(values))


def take_request_unless_paused(connection: Connection, account: str, limits: Limits) -> bool:
    """Take one request, unless the account is paused. Returns whether there was one."""
    now: datetime = connection.execute(select(Now())).scalar_one()
    ensure_accounts(connection, [account], now)
    rate_limit = refill(lock_rate_limit(connection, account), limits, now)
    flying = in_flight(connection, now)[0].get(account, 0)
    if rate_limit.paused_until is not None or not available(rate_limit, limits, flying, now):
        return False
    save_rate_limit(connection, account, consume(rate_limit, 1, now))
    return True


def take_request(connection: Connection, account: str, limits: Limits) -> bool:
    """Take one request, even if the account is paused. Returns whether there was one."""
    now: datetime = connection.execute(select(Now())).scalar_one()
    rate_limit = refill(lock_rate_limit(connection, account), limits, now)
    if rate_limit.tokens < 1:
        return False
    save_rate_limit(connection, account, replace(rate_limit, tokens=rate_limit.tokens - 1))
    count_requests(connection, account, 1, now)
    return True


def count_requests(connection: Connection, account: str, requests: int, now: datetime) -> None:
    """Count requests granted to an account in this minute, for charts."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"account": account, "minute": now.replace(second=0, microsecond=0), "requests": requests}
    statement = dialect.insert(RequestMinute).values(row)
    more = {"requests": RequestMinute.requests + statement.excluded.requests}
    connection.execute(statement.on_conflict_do_update(index_elements=["account", "minute"], set_=more))


def delete_request_counts(connection: Connection, before: datetime) -> None:
    """Delete the counts of minutes before a time."""
    connection.execute(delete(RequestMinute).where(RequestMinute.minute < before))


@dataclass(frozen=True, slots=True)
class AccountState:
    """The state of an account: its rate limit and the price of its requests, if any, at the database's time ``now``.

    ``answered_at`` is when the account or one of its projects was last found, if ever.
    """

    rate_limit: RateLimit
    price: float | None
    now: datetime
    answered_at: datetime | None


def read_account_state(connection: Connection, account: str) -> AccountState:
    """Return the current state of an account."""
    row = connection.execute(_ACCOUNT_STATE, {"account": account}).mappings().one()
    return AccountState(_rate_limit(row), row["price"], row["now"], row["answered_at"])


def save_answered_at(connection: Connection, account: str, now: datetime) -> None:
    """Record that an account or one of its projects was just found."""
    connection.execute(update(Account).where(Account.name == account).values(answered_at=now))


def steer_price(
    connection: Connection, account: str, target: float, delays: Iterable[pricing.PlannedDelay], first_price: float
) -> None:
    """Adjust the price by the planned delays of detected ends, from ``first_price`` on if there is none yet."""
    start = now = first_price
    for delay in delays:
        now = pricing.steer(now, target, delay.seconds, hinted=delay.hinted)
    # As a factor, so that concurrent updates both count.
    price = func.coalesce(Account.price, start) * (now / start)
    within = case((price < pricing.LEAST, pricing.LEAST), (price > pricing.GREATEST, pricing.GREATEST), else_=price)
    connection.execute(update(Account).where(Account.name == account).values(price=within))
