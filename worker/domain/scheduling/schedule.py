"""When to check a project again. All numbers are seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from worker.domain.projects.ledger import outstanding
from worker.domain.projects.project import Project, RunningProject
from worker.domain.projects.status import WAITING
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import Hazard, expected_delay, next_gap, unknown
from worker.domain.scheduling.pricing import USUAL_MEDIAN, first_price
from worker.domain.scheduling.settling import ages_to_check

# A project that is tracked this long after its creation is tracked late; clocks differ by less.
LATE: Final = timedelta(seconds=30)
_UNKNOWN: Final = unknown()
# The share of renders of a type that may end before their first check.
_ENDED_UNSEEN: Final = 0.05
_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Plan:
    """The parameters of the schedule.

    While a project runs, its checks follow from the durations of its type and the price of a request
    (hazard.next_gap), between ``least_gap`` and ``greatest_gap``. After its end it is checked at the last of
    ``settle_gaps``, and at earlier ones that are worth a request (settling.ages_to_check); if it failed or was
    canceled and still costs something, at all of them and then at ``refund_gaps``. ``target`` is the mean
    detection delay to which the price is adjusted; until there is one, each type has its own (price_of). A
    project is stalled if it runs for ``stalled_after``, or if its checks have been failing for ``failing_after``.
    """

    target: float = 5.0
    price: float | None = None
    durations: Durations = field(default_factory=Durations, repr=False)
    least_gap: float = 0.5
    greatest_gap: float = 120.0
    settle_gaps: tuple[float, ...] = (30.0, 2 * _MINUTE, 10 * _MINUTE, _HOUR)
    refund_gaps: tuple[float, ...] = (6 * _HOUR, 24 * _HOUR, 72 * _HOUR)
    stalled_after: float = 6 * _HOUR
    stalled_gap: float = 10 * _MINUTE
    failing_after: float = _HOUR
    give_up_after: float = 7 * _DAY
    give_up_count: int = 5
    missing_after: float = 10 * _MINUTE
    missing_count: int = 5


def running_gap(plan: Plan, project: Project | RunningProject, now: datetime) -> float:
    """Return the seconds until the next check of a running project."""
    if (now - project.opened_at).total_seconds() >= plan.stalled_after:
        return max(plan.stalled_gap, plan.greatest_gap)
    hazard = plan.durations.of(project.kind, project.type)
    return next_gap(hazard, render_age(project, now), price_of(plan, hazard), plan.least_gap, plan.greatest_gap)


def price_of(plan: Plan, hazard: Hazard) -> float:
    """Return the price of a request: the account's, or the first one for a type's durations, in seconds of delay."""
    if plan.price is not None:
        return plan.price
    return first_price(plan.target, USUAL_MEDIAN if hazard == _UNKNOWN else hazard.median)


def first_gap(plan: Plan, kind: str, type_: str | None) -> float:
    """Return the seconds until the first check of a project that has just been sent; 0 if in doubt.

    Only the learned durations of a type that the caller names allow to wait: as long as the rule says for a render that
    starts now, but only until a few renders of that type have ended. An end before the first check has no lower bound.
    """
    hazard, source = plan.durations.known(kind, type_)
    if source != "learned":
        return 0.0
    gap = next_gap(hazard, 0.0, price_of(plan, hazard), plan.least_gap, plan.greatest_gap)
    return min(gap, hazard.remaining(0.0, _ENDED_UNSEEN))


def likely_delay(plan: Plan, project: Project, gap: float) -> float:
    """Return the mean delay with which an end is detected ``gap`` after the project was last seen running."""
    hazard = plan.durations.of(project.kind, project.type)
    return expected_delay(hazard, render_age(project, project.last_observed_at or project.opened_at), gap)


def render_age(project: Project | RunningProject, at: datetime) -> float:
    """Return the longest time, in seconds, for which a project can have been rendering."""
    if project.status in WAITING or project.status is None:
        return 0.0
    start = render_start(project.queued_at, project.opened_at, project.created_at)
    return max(0.0, (at - start).total_seconds())


def render_start(queued_at: datetime | None, opened_at: datetime, created_at: datetime | None) -> datetime:
    """Return the earliest possible start of a render: when it was last seen queued, or else when it was tracked.

    A project that was tracked late and never seen queued may have been rendering since its creation.
    """
    if queued_at is not None:
        return queued_at
    return created_at if created_at is not None and opened_at - created_at > LATE else opened_at


def settle_gap(plan: Plan, project: Project, now: datetime) -> float | None:
    """Return the seconds until the next check of a finished project, or None if its credits have had time to settle.

    Checks are due at fixed ages since settling started, so an extra check does not replace any of them.
    """
    elapsed = (now - (project.settling_since or now)).total_seconds()
    return next((age - elapsed for age in _settling_ages(plan, project) if age > elapsed), None)


def _settling_ages(plan: Plan, project: Project) -> Sequence[float]:
    if outstanding(project.status, project.credits_charged):
        return list(accumulate(plan.settle_gaps + plan.refund_gaps))
    ages = list(accumulate(plan.settle_gaps))
    if project.closing_count:  # it changed after settling
        return ages
    rates = plan.durations.settling.get((project.kind, project.type or "", project.status or ""))
    return ages_to_check(ages, rates, project.project_id)
