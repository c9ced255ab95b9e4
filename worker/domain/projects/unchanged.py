"""The fast path for the most common check: the project is still running and nothing has changed.

It returns the result of apply_observation(), or None whenever that might differ.
"""

from datetime import datetime
from operator import attrgetter
from typing import Final

from worker.domain.projects.observation import Observation
from worker.domain.projects.project import RunningProject
from worker.domain.projects.status import is_terminal
from worker.domain.scheduling.schedule import Plan, running_gap

# Start, end and image count are fixed by the create call, so they are not compared.
_seen: Final = attrgetter(
    "status", "credits_charged", "type", "name", "width", "height", "fps", "created_at", "odd_fields"
)


def unchanged_gap(before: RunningProject, seen: Observation, now: datetime, plan: Plan) -> float | None:
    """Return the seconds until the next check if nothing has changed, or None if apply_observation() must decide.

    Unchanged means that only ``last_observed_at`` and ``queued_at`` differ afterwards.
    """
    if not seen.enabled or is_terminal(seen.status) or seen.error or seen.downloads or _seen(seen) != _seen(before):
        return None
    if before.last_observed_at is None or before.last_observed_at > now:
        return None
    if (now - before.opened_at).total_seconds() >= min(plan.stalled_after, plan.give_up_after):
        return None
    return running_gap(plan, before, now)
