"""Logging the outcome of tracking requests."""

import logging
from typing import Final

from worker.domain.log_events import event
from worker.tracking.intake.track import IntakeResult, missing_key

_MOST_LINES: Final = 10
_log: Final = logging.getLogger("renderwatch.intake")


def log_outcome(taken: IntakeResult) -> None:
    """Log the outcome of requests: one line of counts, and up to ten lines of each kind of detail."""
    _log.info(
        "tracked new=%d known=%d reopened=%d completed=%d rejected=%d",
        taken.new,
        taken.known,
        taken.reopened,
        len(taken.added),
        len(taken.rejected),
        extra=event(
            "requests_tracked",
            new=taken.new,
            known=taken.known,
            reopened=taken.reopened,
            completed=len(taken.added),
            rejected=len(taken.rejected),
        ),
    )
    for (kind, project_id), parts in list(taken.added.items())[:_MOST_LINES]:
        added = event("project_parts_added", kind=kind, project_id=project_id, parts=parts)
        _log.info("%s %s: added %s", kind, project_id, ", ".join(parts), extra=added)
    for (kind, project_id), parts in list(taken.ignored.items())[:_MOST_LINES]:
        left = event("project_parts_ignored", kind=kind, project_id=project_id, parts=parts)
        _log.info("%s %s: %s kept the values of the first request", kind, project_id, ", ".join(parts), extra=left)
    for rejection in taken.rejected[:_MOST_LINES]:
        _log.warning("rejected: %s", rejection.reason, extra=event("request_rejected", reason=rejection.reason))
    if taken.rejected:
        _log.warning(
            "run renderwatch rejected list to see the rejected requests",
            extra=event("requests_rejected", rejected=len(taken.rejected)),
        )
    for account in taken.without_key[:_MOST_LINES]:
        _log.warning("%s", missing_key(account), extra=event("account_without_key", account=account))
