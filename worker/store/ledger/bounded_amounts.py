"""Amounts capped for sums, so that no sum overflows 64 bits.

An entry beyond 10^12 credits must be an error. The ledger has it as observed, flagged; in sums
it counts as 10^12. Nine million such entries still fit.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, case

from worker.domain.intake.request import MOST_CREDITS


def bounded(amount: Any) -> ColumnElement[Any]:  # noqa: ANN401  a column
    """Return an amount, capped."""
    return case((amount > MOST_CREDITS, MOST_CREDITS), (amount < -MOST_CREDITS, -MOST_CREDITS), else_=amount)


def _text(amount: str, most: int) -> str:
    return f"CASE WHEN {amount} > {most} THEN {most} WHEN {amount} < {-most} THEN {-most} ELSE {amount} END"


# The same as SQL text, for the column ``amount``.
BOUNDED_AMOUNT: Final = _text("amount", MOST_CREDITS)
