"""Replay: send all deliveries that match again, a part in each transaction."""

from dataclasses import dataclass

from worker.store.deliveries.delivery_filter import DeliveryFilter
from worker.store.deliveries.replays import replay_part
from worker.store.engine import Database


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries became pending; ``next_after`` is the number to go on after, None at the end."""

    count: int
    next_after: int | None


def replay_matching(  # noqa: PLR0913  what, where to, how many, who and why
    database: Database,
    wanted: DeliveryFilter,
    *,
    last: int,
    actor: str,
    reason: str | None,
    after: int = 0,
    destination: str | None = None,
    most: int | None = None,
) -> Replayed:
    """Send the deliveries with numbers above ``after``, up to ``last``, that match again.

    To the same destinations or to one other, and about ``most`` at once. Raises StoreUnavailableError.
    """
    count = 0
    while most is None or count < most:
        with database.write() as connection:
            part, after = replay_part(connection, wanted, after, last, actor, reason, destination)
        if not part:
            return Replayed(count, None)
        count += part
    return Replayed(count, after)
