"""Queries on projects and their history. A read-only connection is enough."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select

from worker.domain.deliveries.states import STATES
from worker.store.models import (
    CreditAdjustment,
    Delivery,
    Event,
    StatusTransition,
    TrackedProject,
)
from worker.store.monitoring.definitions import is_stalled
from worker.store.projects.metadata_search import MetadataTerm

_PROJECTS: Final[Any] = TrackedProject.__table__
# Internal columns, which are not facts about the project.
_INTERNAL: Final = frozenset({"id", "lease_token", "leased_until", "claimed_at", "hinted_at"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which projects to list; an empty field matches all."""

    states: Sequence[str] = ()
    statuses: Sequence[str] = ()
    account: str | None = None
    kind: str | None = None
    project_ids: Sequence[str] = field(default=())
    stalled: bool = False
    metadata: Sequence[MetadataTerm] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a WHERE clause."""
        wanted: list[ColumnElement[bool]] = []
        if self.states:
            wanted.append(_PROJECTS.c.state.in_(self.states))
        if self.statuses:
            wanted.append(_PROJECTS.c.status.in_(self.statuses))
        if self.account:
            wanted.append(_PROJECTS.c.account == self.account)
        if self.kind:
            wanted.append(_PROJECTS.c.kind == self.kind)
        if self.project_ids:
            wanted.append(_PROJECTS.c.project_id.in_(self.project_ids))
        if self.stalled:
            wanted.append(is_stalled())
        wanted += (term.condition() for term in self.metadata)
        return wanted


def list_projects(connection: Connection, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """Return the projects that match, newest first."""
    statement = select(_PROJECTS).where(*wanted.conditions()).order_by(_PROJECTS.c.id.desc()).limit(limit)
    return [public(row) for row in connection.execute(statement).mappings()]


def read_project(connection: Connection, kind: str, project_id: str) -> dict[str, Any] | None:
    """Return one project, if it is tracked."""
    found = select(_PROJECTS).where(_PROJECTS.c.kind == kind, _PROJECTS.c.project_id == project_id)
    row = connection.execute(found).mappings().one_or_none()
    return public(row) if row else None


def count_projects(connection: Connection, wanted: Filter) -> int:
    """Return how many projects match."""
    return connection.scalar(select(func.count()).select_from(_PROJECTS).where(*wanted.conditions())) or 0


def history(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's status transitions, in order."""
    columns = (
        StatusTransition.sequence,
        StatusTransition.from_status,
        StatusTransition.to_status,
        StatusTransition.observed_at,
        StatusTransition.observed_after,
        StatusTransition.source,
    )
    return _rows(connection, _of(columns, StatusTransition, kind, project_id))


def ledger(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's credit adjustments, in order. Their amounts add up to the project's credits."""
    columns = (
        CreditAdjustment.sequence,
        CreditAdjustment.reason,
        CreditAdjustment.amount,
        CreditAdjustment.total,
        CreditAdjustment.status,
        CreditAdjustment.observed_at,
        CreditAdjustment.observed_after,
        CreditAdjustment.source,
        CreditAdjustment.corrects,
        CreditAdjustment.flagged,
    )
    return _rows(connection, _of(columns, CreditAdjustment, kind, project_id))


def list_events(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's events, in order, with how many of their deliveries are in each state."""
    columns: list[Any] = [Event.sequence, Event.type, Event.id, Event.created_at]
    for state in STATES:
        count = select(func.count()).where(Delivery.event_id == Event.id, Delivery.state == state)
        columns.append(count.scalar_subquery().label(state))
    return _rows(connection, _of(columns, Event, kind, project_id))


def _of(columns: Sequence[Any], table: Any, kind: str, project_id: str) -> Select[Any]:  # noqa: ANN401  a model
    joined = select(*columns).join(_PROJECTS, _PROJECTS.c.id == table.tracked_project_id)
    return joined.where(_PROJECTS.c.kind == kind, _PROJECTS.c.project_id == project_id).order_by(table.sequence)


def _rows(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def public(row: RowMapping) -> dict[str, Any]:
    """Return a row of tracked_projects without internal columns."""
    return {str(key): value for key, value in row.items() if key not in _INTERNAL}
