"""What accounts could spend over time, beside the ledger; and settled projects to ask about once more."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, text

from worker.domain.allowance import Limits, claimable, refill, take
from worker.domain.status import Kind
from worker.store.accounts import ensure_accounts, insert_ignoring, lock_allowance, save_allowance
from worker.store.engine import clock
from worker.store.leases import in_flight
from worker.store.models import BalanceSample, TrackedProject

# Which project is looked at is no secret.
_random = random.Random()  # noqa: S311
# No gap between two checks of a project is longer.
_LONGEST_GAP: Final = timedelta(days=7)
_TIME: Final = BalanceSample.observed_at.type


def allow_request(connection: Connection, account: str, limits: Limits) -> bool:
    """Take one request from an account's allowance. Returns whether it may be sent; not while it pauses."""
    now = clock(connection)
    ensure_accounts(connection, [account], now)
    allowance = refill(lock_allowance(connection, account), limits, now)
    flying = in_flight(connection, now).get(account, 0)
    if allowance.paused_until is not None or not claimable(allowance, limits, flying, now):
        return False
    save_allowance(connection, account, take(allowance, 1, now))
    return True


def save_balance(connection: Connection, account: str, credits_: int) -> None:
    """Note what an account can spend now."""
    values = {"account": account, "credits": credits_, "observed_at": clock(connection)}
    connection.execute(insert_ignoring(connection, BalanceSample).values(values))


def sampled_since(connection: Connection, moment: datetime) -> set[str]:
    """Return the accounts whose balance was noted after a time."""
    return set(connection.scalars(select(BalanceSample.account).where(BalanceSample.observed_at > moment)))


@dataclass(frozen=True, slots=True)
class Window:
    """Two samples of an account's balance, and what the ledger says was spent in between.

    ``difference`` are credits that came (positive) or went (negative) without the ledger; ``margin`` is how much of it
    may be entries that happened just before one of the samples and were observed just after it.
    """

    account: str
    since: datetime
    until: datetime
    balance_before: int
    balance_after: int
    ledger: int
    margin: int

    @property
    def difference(self) -> int:
        """What the ledger does not explain, in credits."""
        return self.balance_after - self.balance_before + self.ledger

    @property
    def agrees(self) -> bool:
        """Whether the ledger explains the balance, as exactly as both are known."""
        return abs(self.difference) <= self.margin


_WINDOWS: Final = text("""
SELECT account, previous_at, observed_at, previous_credits, balance_credits, ledger_credits FROM account_balances
WHERE previous_at IS NOT NULL AND observed_at >= :since ORDER BY account, observed_at
""").bindparams(bindparam("since", type_=_TIME))
_WINDOWS_TYPED: Final = _WINDOWS.columns(previous_at=_TIME, observed_at=_TIME)

_MARGIN: Final = text("""
SELECT coalesce(sum(abs(a.amount)), 0) FROM credit_adjustments a JOIN tracked_projects p ON p.id = a.tracked_project_id
WHERE p.account = :account AND a.observed_at > :at AND a.observed_at <= :latest AND coalesce(a.observed_after,
  CASE WHEN p.created_at < p.tracked_at THEN p.created_at ELSE p.tracked_at END) <= :at
""").bindparams(bindparam("at", type_=_TIME), bindparam("latest", type_=_TIME))


def read_windows(connection: Connection, since: datetime) -> list[Window]:
    """Return what happened between the balance samples since a time, account by account."""
    rows = connection.execute(_WINDOWS_TYPED, {"since": since}).all()
    moments = {(row[0], moment) for row in rows for moment in (row[1], row[2])}
    margins = {(account, at): _margin(connection, account, at) for account, at in moments}
    return [
        Window(row[0], row[1], row[2], row[3], row[4], row[5], margins[row[0], row[1]] + margins[row[0], row[2]])
        for row in rows
    ]


def _margin(connection: Connection, account: str, at: datetime) -> int:
    return int(connection.scalar(_MARGIN, {"account": account, "at": at, "latest": at + _LONGEST_GAP}) or 0)


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled project, as the books have it."""

    account: str
    kind: Kind
    project_id: str
    status: str | None
    credits_charged: int | None


def sample_settled(connection: Connection, accounts: Sequence[str], most: int) -> list[Settled]:
    """Return some settled projects of these accounts, chosen at random; as fast with many projects as with few."""
    lowest, highest = connection.execute(select(func.min(TrackedProject.id), func.max(TrackedProject.id))).one()
    if lowest is None:
        return []
    table: Any = TrackedProject
    columns = (table.account, table.kind, table.project_id, table.status, table.credits_charged)
    found = (
        select(table.id, *columns)
        .where(table.id >= bindparam("at_least"), table.close_reason == "settled", table.account.in_(accounts))
        .order_by(table.id)
        .limit(1)
    )
    chosen: dict[int, Settled] = {}
    for _ in range(most):
        row = connection.execute(found, {"at_least": _random.randint(lowest, highest)}).one_or_none()
        row = row or connection.execute(found, {"at_least": lowest}).one_or_none()
        if row is not None:
            chosen[row[0]] = Settled(*row[1:])
    return list(chosen.values())
