"""Writing the changes of a batch: transitions, ledger entries, events and their deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from worker.domain.deliveries.destination import destinations
from worker.domain.deliveries.route_rule import Subject
from worker.domain.projects.events import payload
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project
from worker.domain.projects.status import Source
from worker.store.deliveries.destinations import register
from worker.store.ids import new_event_id
from worker.store.models import CreditAdjustment, Delivery, Event, StatusTransition

Routes = Mapping[str, Sequence[str]]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What a check changed about a tracked project, and when it was recorded.

    ``reported_for``: the seconds since a webhook of Magic Hour reported the status that was seen, if one did.
    """

    id: int
    before: Project
    outcome: Outcome
    notify: Routes
    at: datetime
    source: Source
    reported_for: float | None = None


def store_changes(connection: Connection, changes: Sequence[Change], routes: Routes) -> int:
    """Write the rows that record the changes. Returns the number of deliveries to send."""
    _insert(connection, StatusTransition, [_transition(change) for change in changes if change.outcome.transition])
    _insert(connection, CreditAdjustment, [_adjustment(change) for change in changes if change.outcome.adjustment])
    pairs = [pair for change in changes for pair in _events(change, routes)]
    _insert(connection, Event, [event for event, _ in pairs])
    deliveries = [delivery for _, rows in pairs for delivery in rows]
    _insert(connection, Delivery, deliveries)
    register(connection, (row["destination"] for row in deliveries))
    return len(deliveries)


def _insert(connection: Connection, table: Any, rows: Sequence[Row]) -> None:  # noqa: ANN401  any of the models
    if rows:
        connection.execute(insert(table), rows)


def _observed(change: Change) -> Row:
    return {
        "tracked_project_id": change.id,
        "observed_at": change.at,
        "observed_after": change.before.last_observed_at,
        "source": change.source,
    }


def _transition(change: Change) -> Row:
    transition = change.outcome.transition
    assert transition is not None  # noqa: S101  guaranteed by the caller; narrows the type
    return _observed(change) | {
        "sequence": change.outcome.project.transition_count,
        "from_status": transition.previous,
        "to_status": transition.status,
    }


def _adjustment(change: Change) -> Row:
    adjustment = change.outcome.adjustment
    assert adjustment is not None  # noqa: S101  guaranteed by the caller; narrows the type
    sequence = change.outcome.project.adjustment_count
    return _observed(change) | {
        "sequence": sequence,
        "reason": adjustment.reason,
        "amount": adjustment.amount,
        "total": adjustment.total,
        "status": change.outcome.project.status,
        "corrects": sequence - 1 if adjustment.reason == "correction" else None,
        "flagged": adjustment.flagged,
    }


def _events(change: Change, routes: Routes) -> list[tuple[Row, list[Row]]]:
    pairs = []
    project = change.outcome.project
    subject = Subject(project.kind, project.account, project.type, project.metadata)
    for event in change.outcome.events:
        event_id = new_event_id()
        row = {
            "id": event_id,
            "tracked_project_id": change.id,
            "sequence": event.sequence,
            "type": event.type,
            "dedup_key": event.dedup_key,
            "payload": payload(event, event_id, project, change.at),
            "created_at": change.at,
        }
        deliveries = [
            {"event_id": event_id, "destination": destination, "next_attempt_at": change.at, "created_at": change.at}
            for destination in destinations(event.type, subject, routes, change.notify)
        ]
        pairs.append((row, deliveries))
    return pairs
