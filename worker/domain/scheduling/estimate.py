"""When a running project is expected to finish, by what was learned about renders of its type."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from worker.domain.projects.status import WAITING, is_terminal
from worker.domain.scheduling.durations import Durations, Source
from worker.domain.scheduling.hazard import EDGES
from worker.domain.scheduling.schedule import render_start

# The interval holds 80 % of the ends.
_EARLY: Final = 0.1
_LATE: Final = 0.9
# A project that has not been seen to end is not done.
_MOST_PROGRESS: Final = 0.99


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a project is expected to finish: as likely before ``finish_at`` as after it, with 80 % between the others.

    They follow from its age when it was last seen running, so each may have passed. ``progress``, from 0 to 0.99, is
    its age divided by the expected duration. While it waits in the queue, the render is assumed to start now.
    """

    finish_at: datetime
    earliest_at: datetime
    latest_at: datetime
    progress: float
    source: Source


def estimate(project: Mapping[str, Any], durations: Durations, now: datetime) -> Estimate | None:
    """Return the estimate for a stored project; None if it does not run, or nothing is known.

    Nothing is known of types and kinds without renders, and of projects that have been running for more than a day.
    """
    status = project["status"]
    if project["state"] != "active" or is_terminal(status):
        return None
    hazard, source = durations.known(project["kind"], project["type"])
    if source == "unknown":
        return None
    start = seen_at = now
    if status is not None and status not in WAITING:
        start = render_start(project["queued_at"], project["opened_at"], project["created_at"])
        seen_at = max(start, project["last_observed_at"] or start)
    age = (seen_at - start).total_seconds()
    if age >= EDGES[-1]:
        return None
    earliest, middle, latest = (
        seen_at + timedelta(seconds=hazard.remaining(age, share)) for share in (_EARLY, 0.5, _LATE)
    )
    passed = max(0.0, (now - start) / (middle - start)) if middle > start else 1.0
    return Estimate(middle, earliest, latest, round(min(_MOST_PROGRESS, passed), 3), source)
