"""The accounts and their request allowance."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from worker.domain import pricing
from worker.domain.allowance import Allowance
from worker.store.models import Account, RequestMinute
from worker.store.types import Now

_FIELDS: Final = tuple(field.name for field in fields(Allowance))
_ACCOUNTS: Final[Any] = Account.__table__
_STANDING: Final = select(_ACCOUNTS, Now().label("now")).where(_ACCOUNTS.c.name == bindparam("account"))


def insert_ignoring(connection: Connection, table: Any) -> Any:  # noqa: ANN401  the two dialects share no type
    """Return an INSERT that skips rows which exist already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def ensure_accounts(connection: Connection, names: Iterable[str], now: datetime) -> None:
    """Make the rows of accounts that are new: they start with nothing saved up."""
    rows = [{"name": name, "tokens": 0.0, "refilled_at": now} for name in sorted(set(names))]
    if rows:
        connection.execute(insert_ignoring(connection, Account), rows)


def _allowance(row: RowMapping) -> Allowance:
    return Allowance(**{name: row[name] for name in _FIELDS})


def lock_free_allowances(connection: Connection) -> dict[str, Allowance]:
    """Lock all accounts that nobody else has locked, and return their allowances.

    The lock is one that storing new projects of an account, which only refer to it, does not wait for or look like.
    """
    statement = select(Account).order_by(Account.name).with_for_update(skip_locked=True, key_share=True)
    return {row["name"]: _allowance(row) for row in connection.execute(statement).mappings()}


def lock_allowance(connection: Connection, account: str) -> Allowance:
    """Lock one account, and return its allowance."""
    statement = select(Account).where(Account.name == account).with_for_update(key_share=True)
    return _allowance(connection.execute(statement).mappings().one())


def save_allowance(connection: Connection, account: str, allowance: Allowance) -> None:
    """Write an allowance back."""
    values = {name: getattr(allowance, name) for name in _FIELDS}
    connection.execute(update(Account).where(Account.name == account).values(values))


def note_requests(connection: Connection, account: str, requests: int, now: datetime) -> None:
    """Count the requests that an account was allowed within this minute, for charts."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"account": account, "minute": now.replace(second=0, microsecond=0), "requests": requests}
    statement = dialect.insert(RequestMinute).values(row)
    more = {"requests": RequestMinute.requests + statement.excluded.requests}
    connection.execute(statement.on_conflict_do_update(index_elements=["account", "minute"], set_=more))


def forget_requests(connection: Connection, before: datetime) -> None:
    """Remove the counts of minutes before a time."""
    connection.execute(delete(RequestMinute).where(RequestMinute.minute < before))


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: its allowance and the price of its requests, at this time of the database."""

    allowance: Allowance
    price: float
    now: datetime


def read_standing(connection: Connection, account: str, target: float) -> Standing:
    """Return how an account stands now."""
    row = connection.execute(_STANDING, {"account": account}).mappings().one()
    return Standing(_allowance(row), pricing.price_of(row["price"], target), row["now"])


def steer_price(connection: Connection, account: str, target: float, delays: Iterable[float]) -> None:
    """Let the price follow from how late ends were planned to be found."""
    start = now = pricing.first_price(target)
    for delay in delays:
        now = pricing.steer(now, target, delay)
    # As a factor, so that two workers that do this at the same time both count.
    price = func.coalesce(Account.price, start) * (now / start)
    within = case((price < pricing.LEAST, pricing.LEAST), (price > pricing.GREATEST, pricing.GREATEST), else_=price)
    connection.execute(update(Account).where(Account.name == account).values(price=within))
