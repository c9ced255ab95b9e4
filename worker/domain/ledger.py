"""The credit ledger: which entry an observed total makes.

The sum of a project's entries always equals the total last observed, because each amount is the difference between the
new total and the stored one.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from worker.domain.status import Kind, is_terminal

Reason = Literal["charge", "estimate", "final", "refund", "correction"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

# No render costs this much. What is more, or negative, is stored as seen and flagged for a person to look at.
HUGE: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One ledger entry: a signed ``amount`` of credits, and the ``total`` after it."""

    reason: Reason
    amount: int
    total: int
    flagged: bool


def adjust(known: int | None, observed: int, *, kind: Kind, status: str | None, closed: bool) -> Adjustment | None:
    """Return the entry that brings the known total to the observed one, or None when nothing changed.

    ``known`` is None before the first sight of a total. ``closed`` tells that tracking had ended before.
    """
    if known == observed:
        return None
    flagged = not 0 <= observed <= HUGE
    if known is None:
        return Adjustment(_first(kind, status), observed, observed, flagged)
    amount = observed - known
    reason: Reason = "correction" if closed else _later(status, amount)
    return Adjustment(reason, amount, observed, flagged)


def _first(kind: Kind, status: str | None) -> Reason:
    # The price of a running video is computed for 30 frames per second, whatever it turns out to have.
    return "estimate" if kind == "video" and not is_terminal(status) else "charge"


def _later(status: str | None, amount: int) -> Reason:
    if status == "complete":
        return "final"
    if is_terminal(status):
        return "refund" if amount < 0 else "charge"
    return "estimate"
