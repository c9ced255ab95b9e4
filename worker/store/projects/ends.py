"""The ends of renders: how late they were detected, by what, and what follows for the price and the next check."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping

from worker.domain.scheduling.pricing import PlannedDelay
from worker.domain.scheduling.schedule import Plan, likely_delay, price_of
from worker.store.projects.write_changes import Change
from worker.store.scheduling.rate_limits import steer_price

# A webhook can be ahead of the API: if the API does not show what it reported, the project is checked again soon.
_AGAIN: Final = 5.0


def has_ended(change: Change) -> bool:
    """Whether a check was the first that saw the end."""
    return change.outcome.project.finished_at is not None and change.before.finished_at is None


def detection_delay(change: Change, plan: Plan) -> float | None:
    """Return the estimated detection delay of an end in seconds; None if the project was never seen before.

    If a webhook reported the end, that is the time since it came.
    """
    if change.before.last_observed_at is None:
        return None
    if change.reported_for is not None:
        return max(0.0, change.reported_for)
    gap = (change.at - change.before.last_observed_at).total_seconds()
    return likely_delay(plan, change.before, gap)


def detection_delays(changes: Sequence[Change], plan: Plan) -> list[float]:
    """Return the estimated detection delays of all ends for which there is one."""
    return [delay for change in changes if has_ended(change) and (delay := detection_delay(change, plan)) is not None]


def next_gap(change: Change, reported: str | None) -> float | None:
    """Return the seconds until the next check. ``reported`` is the status that a webhook reported, if one did."""
    gap = change.outcome.next_check_in
    if gap is None or reported is None or change.reported_for is not None or change.outcome.project.state != "active":
        return gap
    return min(gap, _AGAIN)


def steer_by_ends(
    connection: Connection, account: str, plan: Plan, rows: Sequence[RowMapping], changes: Sequence[Change]
) -> None:
    """Adjust the price by the ends that planned checks detected, and by those that webhooks reported before them."""
    ends = [
        (change, row["check_gap"])
        for row, change in zip(rows, changes, strict=True)
        if (change.source == "poll" or change.reported_for is not None)
        and has_ended(change)
        and change.before.failure_count == 0
        and row["check_gap"] is not None
    ]
    if ends:
        delays = [
            PlannedDelay(likely_delay(plan, change.before, gap), hinted=change.reported_for is not None)
            for change, gap in ends
        ]
        first = ends[0][0].before
        first_price = price_of(plan, plan.durations.of(first.kind, first.type))
        steer_price(connection, account, plan.target, delays, first_price)
