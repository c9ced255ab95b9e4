"""Dispatch: claim due projects and send the batches to the workers."""

import logging
from collections.abc import Callable

from worker.domain.log_events import event
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.monitoring.job_heartbeats import record_heartbeat
from worker.store.scheduling.claims import claim_due
from worker.store.scheduling.clock_steps import follow_clock_back
from worker.store.scheduling.leases import Batch

_log = logging.getLogger(__name__)


def dispatch(database: Database, settings: Settings, durations: Durations, send: Callable[[Batch], object]) -> int:
    """Claim what is due in one transaction, then send one message for each batch. Returns how many projects.

    A message that cannot be sent loses nothing: its lease expires, and its projects come due again.
    """
    with database.write() as connection:
        step = follow_clock_back(connection, settings.lease_seconds)
        batches = claim_due(
            connection,
            settings.limits,
            durations,
            lease_seconds=settings.lease_seconds,
            batch_size=settings.batch_size,
            max_in_flight=settings.max_in_flight,
            with_key=settings.accounts.keys(),
        )
        record_heartbeat(connection, "dispatch")
    if step:
        _log.warning(
            "the database's clock was set back by %.0f s; what it had planned was moved",
            step,
            extra=event("clock_set_back", seconds=step),
        )
    for batch in batches:
        send(batch)
    return sum(batch.size for batch in batches)
