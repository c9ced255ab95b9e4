"""Confirm: store the confirmations that consumers send."""

import logging
import random
from collections.abc import Sequence
from typing import Final

from worker.domain.batches import batched
from worker.domain.deliveries.confirmation import Confirmation
from worker.domain.log_events import event
from worker.settings import Settings
from worker.store.deliveries.confirmations import Confirmed, store_confirmations
from worker.store.engine import Database, StoreUnavailableError

_MOST_TOGETHER: Final = 500
_log: Final = logging.getLogger("renderwatch.confirm")


def confirm(database: Database, settings: Settings, confirmations: Sequence[Confirmation]) -> Confirmed:
    """Store confirmations in batches, or one at a time if a batch fails for any reason but the connection.

    Raises StoreUnavailableError; it is safe to repeat the call.
    """
    parts = [part for batch in batched(confirmations, _MOST_TOGETHER) for part in _store(database, settings, batch)]
    return Confirmed(
        confirmed=sum(part.confirmed for part in parts),
        failed=sum(part.failed for part in parts),
        dead=sum(part.dead for part in parts),
        repeated=sum(part.repeated for part in parts),
        rejected=sum(part.rejected for part in parts),
        more_due=any(part.more_due for part in parts),
    )


def _store(database: Database, settings: Settings, batch: Sequence[Confirmation]) -> list[Confirmed]:
    try:
        return [_store_together(database, settings, batch)]
    except StoreUnavailableError:
        raise
    except Exception:  # noqa: BLE001  a fault of ours: one that cannot be stored is left out, and its event sent again
        _log.exception("storing confirmations failed", extra=event("confirmations_failed", confirmations=len(batch)))
    if len(batch) == 1:
        return []
    return [part for one in batch for part in _store(database, settings, [one])]


def _store_together(database: Database, settings: Settings, batch: Sequence[Confirmation]) -> Confirmed:
    return database.transact(
        lambda connection: store_confirmations(
            connection,
            batch,
            give_up_after=settings.delivery_give_up_after,
            jitter=random.random,  # spreads load
        )
    )
