"""The credit ledger: the entry that an observed total causes.

The sum of a project's entries always equals the last observed total, because each amount is the difference between the
new total and the stored one.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from worker.domain.projects.status import Kind, is_terminal

Reason = Literal["charge", "estimate", "final", "refund", "correction"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

# No render costs this much. A larger or negative amount is stored as observed, and flagged for review.
HUGE: Final = 10_000_000
# A price beyond this is capped, so that sums of millions of entries fit into 64 bits.
BOUND: Final = 10**12


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One ledger entry: a signed ``amount`` of credits, and the ``total`` after it."""

    reason: Reason
    amount: int
    total: int
    flagged: bool


def adjust(
    known: int | None, observed: int, *, kind: Kind, status: str | None, closed: bool, odd: bool = False
) -> Adjustment | None:
    """Return the entry that takes the known total to the observed one, or None if they are equal.

    ``known`` is None before a total is first observed. ``closed``: tracking had already ended. ``odd``:
    the observed total had to be rounded or capped.
    """
    if known == observed:
        return None
    flagged = odd or not 0 <= observed <= HUGE
    if known is None:
        return Adjustment(_first(kind, status), observed, observed, flagged)
    amount = observed - known
    reason = _later(status, amount)
    if closed and reason != "refund":
        reason = "correction"
    return Adjustment(reason, amount, observed, flagged)


def _first(kind: Kind, status: str | None) -> Reason:
    # Until a video is complete, its price is an estimate for 30 frames per second.
    return "estimate" if kind == "video" and not is_terminal(status) else "charge"


def outstanding(status: str | None, credits_charged: int | None) -> int:
    """Return the credits that a failed or canceled project still costs, which are normally refunded."""
    return max(0, credits_charged or 0) if status in {"error", "canceled"} else 0


def _later(status: str | None, amount: int) -> Reason:
    if status == "complete":
        return "final"
    if is_terminal(status):
        return "refund" if amount < 0 else "charge"
    return "estimate"
