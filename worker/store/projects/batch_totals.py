"""The metrics of a batch."""

from collections import Counter
from collections.abc import Mapping, Sequence

from worker.domain.metrics import DELAY_BUCKETS, OTHER, Totals, labels, observe
from worker.domain.projects.observation import Answer, CheckFailure
from worker.domain.projects.status import is_known
from worker.store.projects.write_changes import Change


def batch_totals(given: Mapping[int, Answer], changes: Sequence[Change], delays: Sequence[float], stale: int) -> Totals:
    """Count the recorded results (``given``), their changes, and the results that came too late (``stale``).

    ``delays`` are the detection delays of ended renders, in seconds.
    """
    totals: Totals = Counter()
    changed = {change.id for change in changes if change.outcome.changed}
    for id_, answer in given.items():
        outcome = "changed" if id_ in changed else "unchanged"
        totals["checks", labels(answer.kind if isinstance(answer, CheckFailure) else outcome)] += 1
    for change in changes:
        _count(totals, change)
    for delay in delays:
        observe(totals, "detection_delay_seconds", DELAY_BUCKETS, delay)
    totals["stale_answers", labels()] += stale
    return totals


def _count(totals: Totals, change: Change) -> None:
    kind, outcome = change.before.kind, change.outcome
    if outcome.transition:
        known = is_known(outcome.transition.status)
        totals["transitions", labels(kind, outcome.transition.status if known else OTHER)] += 1
        totals["unknown_values", labels("status")] += not known
    if outcome.adjustment:
        direction = "charged" if outcome.adjustment.amount >= 0 else "returned"
        totals["credits", labels(outcome.adjustment.reason, direction)] += abs(outcome.adjustment.amount)
    for event in outcome.events:
        totals["events", labels(event.type)] += 1
    if outcome.project.close_reason and not change.before.close_reason:
        totals["projects_closed", labels(kind, outcome.project.close_reason)] += 1
