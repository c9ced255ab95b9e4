"""The short way for the usual answer: a project that runs, runs on, and nothing about it has changed.

It says what observe() would say, only sooner; whenever it is not sure, it says nothing.
"""

from datetime import datetime
from operator import attrgetter
from typing import Final

from worker.domain.observation import Observation
from worker.domain.project import Glimpse
from worker.domain.schedule import Plan, running_gap
from worker.domain.status import is_terminal

_seen: Final = attrgetter("status", "credits_charged", "type", "name", "width", "height", "fps", "created_at")


def glance(before: Glimpse, seen: Observation, now: datetime, plan: Plan) -> float | None:
    """Return the seconds until the next check when the answer says nothing new, or None when observe() must look.

    Nothing new means: of the project only ``last_observed_at`` and ``queued_at`` are different afterwards.
    """
    if not seen.enabled or is_terminal(seen.status) or seen.error or seen.downloads or _seen(seen) != _seen(before):
        return None
    if before.last_observed_at is None or before.last_observed_at > now:
        return None
    if (now - before.opened_at).total_seconds() >= min(plan.stalled_after, plan.give_up_after):
        return None
    return running_gap(plan, before, now)
