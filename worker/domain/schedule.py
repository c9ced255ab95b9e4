"""When to check a project again. All numbers are seconds."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Final

from worker.domain.durations import Durations
from worker.domain.hazard import lateness, next_gap
from worker.domain.pricing import first_price
from worker.domain.project import Glimpse, Project
from worker.domain.status import WAITING

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Plan:
    """The numbers behind the schedule.

    While a project runs, its checks follow from what is known of its type's durations and from the price of a request
    (hazard.next_gap), between ``least_gap`` and ``greatest_gap``. After the end it is checked at ``settle_gaps``; one
    that failed or was canceled and still costs something, at ``refund_gaps`` after those. ``target`` is the mean
    detection delay that the price is steered to.
    """

    target: float = 5.0
    price: float = first_price(5.0)
    durations: Durations = field(default_factory=Durations, repr=False)
    least_gap: float = 0.5
    greatest_gap: float = 120.0
    settle_gaps: tuple[float, ...] = (30.0, 2 * _MINUTE, 10 * _MINUTE, _HOUR)
    refund_gaps: tuple[float, ...] = (6 * _HOUR, 24 * _HOUR, 72 * _HOUR)
    stalled_after: float = 6 * _HOUR
    stalled_gap: float = 10 * _MINUTE
    give_up_after: float = 7 * _DAY
    give_up_count: int = 5
    missing_after: float = 10 * _MINUTE
    missing_count: int = 5


def running_gap(plan: Plan, project: Project | Glimpse, now: datetime) -> float:
    """Return the seconds until the next check of a project that runs."""
    if (now - project.opened_at).total_seconds() >= plan.stalled_after:
        return max(plan.stalled_gap, plan.greatest_gap)
    hazard = plan.durations.of(project.kind, project.type)
    return next_gap(hazard, render_age(project, now), plan.price, plan.least_gap, plan.greatest_gap)


def likely_delay(plan: Plan, project: Project, gap: float) -> float:
    """Return how long ago an end was, on average, that is seen ``gap`` after a project was last seen to run."""
    hazard = plan.durations.of(project.kind, project.type)
    return lateness(hazard, render_age(project, project.last_observed_at or project.opened_at), gap)


def render_age(project: Project | Glimpse, at: datetime) -> float:
    """Return for how many seconds a project can have rendered. The clock starts when it was last seen to wait."""
    if project.status in WAITING or project.status is None:
        return 0.0
    return max(0.0, (at - (project.queued_at or project.opened_at)).total_seconds())


def settle_gap(plan: Plan, project: Project, now: datetime) -> float | None:
    """Seconds until the next check of a finished project, or None when its credits had time enough to settle.

    The checks are due at fixed ages since settling began, so an extra check in between uses none of them up.
    """
    gaps = plan.settle_gaps
    if project.status in {"error", "canceled"} and (project.credits_charged or 0) > 0:
        gaps += plan.refund_gaps
    elapsed = (now - (project.settling_since or now)).total_seconds()
    return next((age - elapsed for age in accumulate(gaps) if age > elapsed), None)
