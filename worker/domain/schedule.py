"""When to check a project again. All numbers are seconds."""

from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

from worker.domain.project import Project

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Plan:
    """The numbers behind the schedule.

    While a project runs, the gap to its next check is ``growth`` times its age, between ``least_gap`` and
    ``greatest_gap``. After the end it is checked at ``settle_gaps``; one that failed or was canceled and still costs
    something, at ``refund_gaps`` after those. Ages count from the moment tracking began.
    """

    least_gap: float = 2.0
    greatest_gap: float = 60.0
    growth: float = 0.1
    settle_gaps: tuple[float, ...] = (30.0, 2 * _MINUTE, 10 * _MINUTE, _HOUR)
    refund_gaps: tuple[float, ...] = (6 * _HOUR, 24 * _HOUR, 72 * _HOUR)
    stalled_after: float = 6 * _HOUR
    stalled_gap: float = 10 * _MINUTE
    give_up_after: float = 7 * _DAY
    give_up_count: int = 5
    missing_after: float = 10 * _MINUTE
    missing_count: int = 5


def running_gap(plan: Plan, age: float) -> float:
    """Seconds until the next check of a project that has run for ``age`` seconds."""
    if age >= plan.stalled_after:
        return max(plan.stalled_gap, plan.greatest_gap)
    return min(plan.greatest_gap, max(plan.least_gap, plan.growth * age))


def settle_gap(plan: Plan, project: Project, now: datetime) -> float | None:
    """Seconds until the next check of a finished project, or None when its credits had time enough to settle.

    The checks are due at fixed ages since settling began, so an extra check in between uses none of them up.
    """
    gaps = plan.settle_gaps
    if project.status in {"error", "canceled"} and (project.credits_charged or 0) > 0:
        gaps += plan.refund_gaps
    elapsed = (now - (project.settling_since or now)).total_seconds()
    return next((age - elapsed for age in accumulate(gaps) if age > elapsed), None)
