"""A bound on what is kept of a message: a few rejected items as they came, and one row about all others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from worker.formatting import counted

# Rejected items of one message that are kept, each in a row of its own.
MOST_KEPT_ITEMS: Final = 100
_MOST_REASONS: Final = 10
_LONGEST_REASON: Final = 300


def describe_others(reasons: Iterable[str]) -> tuple[str, str]:
    """Return the request and the reason to keep for rejected items that are not kept, given the reason of each."""
    counts = Counter(reason[:_LONGEST_REASON] for reason in reasons)
    said = [f"{reason} ({counted(count, 'time')})" for reason, count in counts.most_common(_MOST_REASONS)]
    if len(counts) > _MOST_REASONS:
        said.append(f"and {len(counts) - _MOST_REASONS:,} other reasons")
    what = f"{counts.total():,} more rejected items of one message"
    return f"{what}, which are not kept", f"{what}: {'; '.join(said)}"


def bound_rejections(rejections: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the rows to keep of one message's rejected items: pairs of the request and the reason."""
    kept, others = list(rejections[:MOST_KEPT_ITEMS]), rejections[MOST_KEPT_ITEMS:]
    return [*kept, describe_others(reason for _, reason in others)] if others else kept
