"""When a failed delivery is tried again, and when it is dead. Times are seconds."""

from typing import Final

from worker.domain.scheduling.backoff import backoff

_BASE: Final = 2.0
LONGEST_GAP: Final = 3600.0


def next_attempt_in(attempts: int, tried_for: float, *, give_up_after: float, jitter: float) -> float | None:
    """Return how long to wait after the last of ``attempts`` failed, or None when the delivery is dead.

    ``tried_for`` counts from the first attempt, so time spent waiting for a worker is not held against a delivery.
    ``jitter`` is a random number from 0 to 1.
    """
    if tried_for >= give_up_after:
        return None
    return backoff(attempts, base=_BASE, limit=LONGEST_GAP, jitter=jitter)


def confirmation_wait(attempts: int, confirm: float, *, jitter: float) -> float:
    """Return how long to wait for the confirmation of attempt number ``attempts``: at least ``confirm`` seconds.

    It grows as the pauses after failures do, so that nothing piles up in a queue that nobody reads.
    """
    return max(confirm, backoff(attempts, base=_BASE, limit=LONGEST_GAP, jitter=jitter))
