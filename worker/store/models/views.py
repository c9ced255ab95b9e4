"""The views that our own queries read, with the columns used. Migrations define the views."""

from typing import Any, Final

from sqlalchemy import BigInteger, Double, Integer, Text, column, table

from worker.store.types import UtcDateTime

DETECTION_DELAYS: Final[Any] = table(
    "detection_delays",
    column("kind", Text),
    column("type", Text),
    column("finished_at", UtcDateTime),
    column("delay_seconds", Double),
    column("checks", Integer),
)
ACCOUNT_BALANCES: Final[Any] = table(
    "account_balances",
    column("account", Text),
    column("previous_at", UtcDateTime),
    column("observed_at", UtcDateTime),
    column("previous_credits", BigInteger),
    column("balance_credits", BigInteger),
    column("ledger_credits", BigInteger),
)
