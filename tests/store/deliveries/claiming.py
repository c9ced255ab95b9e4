"""Short words for claiming deliveries and saying what became of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from worker.domain.deliveries.attempt import Attempt
from worker.domain.deliveries.due import DueDelivery
from worker.domain.deliveries.terms import Terms
from worker.store.deliveries import outcomes
from worker.store.deliveries.outbox import claim_deliveries
from worker.store.engine import Database
from worker.store.models import Destination

HOLD: Final = 60.0
DAY: Final = 86_400.0
USUAL: Final = Terms()


def claim(database: Database, limit: int = 100, terms: Terms = USUAL, give_up_after: float = DAY) -> list[DueDelivery]:
    """Claim what is due, up to a limit, at all destinations."""
    with database.write() as connection:
        return claim_all(connection, limit, terms, give_up_after)


def claim_all(
    connection: Connection, limit: int = 100, terms: Terms = USUAL, give_up_after: float = DAY
) -> list[DueDelivery]:
    claimed: list[DueDelivery] = []
    for name in connection.scalars(select(Destination.name).order_by(Destination.name)).all():
        claimed += claim_deliveries(
            connection,
            name,
            terms,
            limit=limit - len(claimed),
            lease_seconds=HOLD,
            give_up_after=give_up_after,
            jitter=1.0,
        )
    return claimed


def sent(database: Database, deliveries: Iterable[DueDelivery], terms: Terms = USUAL) -> None:
    with database.write() as connection:
        outcomes.mark_sent(connection, list(deliveries), terms, lambda: 1.0)


def failed(
    database: Database, deliveries: Iterable[DueDelivery], error: str = "no answer", give_up_after: float = DAY
) -> int:
    with database.write() as connection:
        return mark_failed(connection, deliveries, error, give_up_after)


def mark_failed(
    connection: Connection, deliveries: Iterable[DueDelivery], error: str = "no answer", give_up_after: float = DAY
) -> int:
    each = [(delivery, OSError(error)) for delivery in deliveries]
    return outcomes.mark_failed(connection, each, give_up_after=give_up_after, jitter=lambda: 1.0)


def one_by_one(
    act: Callable[[DueDelivery], object],
) -> Callable[[Sequence[DueDelivery], float], Sequence[Attempt]]:
    """What sends deliveries as ``act`` does: an error that it raises is what came of the one."""

    def attempt(delivery: DueDelivery) -> Attempt:
        try:
            act(delivery)
        except OSError as error:
            return Attempt(error)
        return Attempt()

    return lambda deliveries, _: [attempt(delivery) for delivery in deliveries]
