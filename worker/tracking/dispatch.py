"""Dispatch: claim what is due, and hand the batches to the workers."""

from collections.abc import Callable

from worker.domain.durations import Durations
from worker.settings import Settings
from worker.store.claims import claim_due
from worker.store.engine import Database
from worker.store.heartbeat import beat
from worker.store.leases import Batch


def dispatch(database: Database, settings: Settings, durations: Durations, send: Callable[[Batch], object]) -> int:
    """Claim what is due in one transaction, then send one message for each batch. Returns how many projects.

    A message that cannot be sent is no loss: its lease runs out, and its projects are due again.
    """
    with database.write() as connection:
        batches = claim_due(
            connection,
            settings.limits,
            durations,
            lease_seconds=settings.lease_seconds,
            batch_size=settings.batch_size,
            max_in_flight=settings.max_in_flight,
        )
        beat(connection, "dispatch")
    for batch in batches:
        send(batch)
    return sum(batch.size for batch in batches)
