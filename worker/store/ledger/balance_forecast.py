"""What each account can spend now, as far as its last sample and the ledger say, and when that is used up."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, func, select

from worker.domain.account_balance import FORECAST_OVER, runs_out_at
from worker.store.ledger.bounded_amounts import bounded
from worker.store.models import BalanceSample, CreditAdjustment, TrackedProject

_ENTRY: Final = CreditAdjustment


def forecast_balances(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Return each account with a balance sample, by name.

    ``credits`` are those of the sample less what the ledger says was spent since ``observed_at``; ``spent`` are the
    net credits of the last seven days; ``runs_out_at`` is None if nothing was spent in them.
    """
    last = select(BalanceSample.account, func.max(BalanceSample.observed_at).label("at"))
    latest = last.group_by(BalanceSample.account).subquery()
    samples = (
        select(BalanceSample.account, BalanceSample.observed_at, BalanceSample.credits)
        .join(latest, and_(latest.c.account == BalanceSample.account, latest.c.at == BalanceSample.observed_at))
        .order_by(BalanceSample.account)
    )
    return [_forecast(connection, *row, now) for row in connection.execute(samples).all()]


def _forecast(
    connection: Connection, account: str, observed_at: datetime, credits_: int, now: datetime
) -> dict[str, Any]:
    left = credits_ - _net(connection, account, observed_at)
    spent = _net(connection, account, now - FORECAST_OVER)
    return {
        "account": account,
        "credits": left,
        "observed_at": observed_at,
        "spent": spent,
        "runs_out_at": runs_out_at(left, spent, now),
    }


def _net(connection: Connection, account: str, since: datetime) -> int:
    """Return what the ledger of an account adds up to since a time."""
    amounts = (
        select(func.coalesce(func.sum(bounded(_ENTRY.amount)), 0))
        .join(TrackedProject, TrackedProject.id == _ENTRY.tracked_project_id)
        .where(TrackedProject.account == account, _ENTRY.observed_at > since)
    )
    return int(connection.scalar(amounts) or 0)
