"""Samples of account balances to compare with the ledger, and of settled projects to check again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, func, select

from worker.domain.projects.status import Kind
from worker.store.engine import clock
from worker.store.models import BalanceSample, CreditAdjustment, TrackedProject
from worker.store.models.views import ACCOUNT_BALANCES
from worker.store.scheduling.rate_limits import insert_ignoring

# The choice of projects is not a secret.
_random = random.Random()  # noqa: S311
# The longest gap between two checks of a project.
_LONGEST_GAP: Final = timedelta(days=7)
_BALANCES: Final = ACCOUNT_BALANCES


def save_balance(connection: Connection, account: str, credits_: int) -> None:
    """Record an account's balance."""
    values = {"account": account, "credits": credits_, "observed_at": clock(connection)}
    connection.execute(insert_ignoring(connection, BalanceSample).values(values))


def sampled_since(connection: Connection, moment: datetime) -> set[str]:
    """Return the accounts whose balance was recorded after a time."""
    return set(connection.scalars(select(BalanceSample.account).where(BalanceSample.observed_at > moment)))


@dataclass(frozen=True, slots=True)
class Window:
    """Two consecutive samples of an account's balance, and the ledger's spending in between.

    ``difference`` is the change that the ledger does not explain; ``margin`` is how much of it
    may come from entries that happened just before a sample and were observed just after it.
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
        """The credits that the ledger does not explain: more (positive) or less than expected."""
        return self.balance_after - self.balance_before + self.ledger

    @property
    def agrees(self) -> bool:
        """Whether the ledger explains the balance, within the margin."""
        return abs(self.difference) <= self.margin

    @property
    def is_short(self) -> bool:
        """Whether more was spent than the ledger explains. Credits that came are explained by a top-up."""
        return self.difference < -self.margin


def read_windows(connection: Connection, since: datetime) -> list[Window]:
    """Return the windows between balance samples since a time, by account."""
    samples = (
        select(_BALANCES)
        .where(_BALANCES.c.previous_at.is_not(None), _BALANCES.c.observed_at >= since)
        .order_by(_BALANCES.c.account, _BALANCES.c.observed_at)
    )
    rows = connection.execute(samples).all()
    moments = {(row.account, moment) for row in rows for moment in (row.previous_at, row.observed_at)}
    margins = {(account, at): _margin(connection, account, at) for account, at in moments}
    return [
        Window(
            account=row.account,
            since=row.previous_at,
            until=row.observed_at,
            balance_before=row.previous_credits,
            balance_after=row.balance_credits,
            ledger=row.ledger_credits,
            margin=margins[row.account, row.previous_at] + margins[row.account, row.observed_at],
        )
        for row in rows
    ]


def _margin(connection: Connection, account: str, at: datetime) -> int:
    """Return the credits of entries observed after a moment that may have happened before it."""
    entry, project = CreditAdjustment, TrackedProject
    started_at = case((project.created_at < project.tracked_at, project.created_at), else_=project.tracked_at)
    observed_late = (
        select(func.coalesce(func.sum(func.abs(entry.amount)), 0))
        .join(project, project.id == entry.tracked_project_id)
        .where(project.account == account, entry.observed_at > at, entry.observed_at <= at + _LONGEST_GAP)
        .where(func.coalesce(entry.observed_after, started_at) <= at)
    )
    return int(connection.scalar(observed_late) or 0)


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled project, as recorded."""

    account: str
    kind: Kind
    project_id: str
    status: str | None
    credits_charged: int | None


def sample_settled(connection: Connection, accounts: Sequence[str], most: int) -> list[Settled]:
    """Return random settled projects of these accounts, in a time that does not grow with the number of projects."""
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
            chosen[row.id] = Settled(row.account, row.kind, row.project_id, row.status, row.credits_charged)
    return list(chosen.values())
