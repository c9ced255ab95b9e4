"""Reading what is stored, for people and programs. Every function takes a connection that only reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select

from worker.store.models import (
    Account,
    CreditAdjustment,
    Delivery,
    Event,
    RejectedRequest,
    StatusTransition,
    TrackedProject,
)

_PROJECTS: Final[Any] = TrackedProject.__table__
# What belongs to the machinery and not to the project.
_INTERNAL: Final = frozenset({"id", "lease_token", "leased_until", "claimed_at", "hinted_at"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which projects to list; an empty field matches all."""

    states: Sequence[str] = ()
    statuses: Sequence[str] = ()
    account: str | None = None
    kind: str | None = None
    project_ids: Sequence[str] = field(default=())

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
        return wanted


def list_projects(connection: Connection, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """Return the projects that match, the latest first."""
    statement = select(_PROJECTS).where(*wanted.conditions()).order_by(_PROJECTS.c.id.desc()).limit(limit)
    return [public(row) for row in connection.execute(statement).mappings()]


def read_project(connection: Connection, kind: str, project_id: str) -> dict[str, Any] | None:
    """Return one project, if it is known."""
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


def news(connection: Connection, kind: str, project_id: str) -> list[dict[str, Any]]:
    """Return a project's events, in order, with how many of their deliveries are pending, sent and dead."""
    columns: list[Any] = [Event.sequence, Event.type, Event.id, Event.created_at]
    for state in ("pending", "sent", "dead"):
        count = select(func.count()).where(Delivery.event_id == Event.id, Delivery.state == state)
        columns.append(count.scalar_subquery().label(state))
    return _rows(connection, _of(columns, Event, kind, project_id))


def _of(columns: Sequence[Any], table: Any, kind: str, project_id: str) -> Select[Any]:  # noqa: ANN401  a model
    joined = select(*columns).join(_PROJECTS, _PROJECTS.c.id == table.tracked_project_id)
    return joined.where(_PROJECTS.c.kind == kind, _PROJECTS.c.project_id == project_id).order_by(table.sequence)


def _rows(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def public(row: RowMapping) -> dict[str, Any]:
    """Return what of a row of tracked_projects is the project's and not the machinery's."""
    return {str(key): value for key, value in row.items() if key not in _INTERNAL}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits or needs a person. ``oldest_due`` is when the project that has waited longest came due."""

    open_projects: int
    overdue: int
    oldest_due: datetime | None
    dead_deliveries: int
    pending_deliveries: int
    rejected_requests: int
    paused_accounts: dict[str, str]


def backlog(connection: Connection, now: datetime, overdue_since: datetime) -> Backlog:
    """Return what waits, at a moment; ``overdue`` counts what came due before another one."""
    open_ = _PROJECTS.c.state != "closed"
    due = _PROJECTS.c.next_check_at
    paused = select(Account.name, Account.pause_reason).where(Account.pause_reason.is_not(None))
    count = func.count

    def number(statement: Select[Any]) -> int:
        return int(connection.scalar(statement) or 0)

    return Backlog(
        open_projects=number(select(count()).select_from(_PROJECTS).where(open_)),
        overdue=number(select(count()).select_from(_PROJECTS).where(due <= overdue_since, _free(now))),
        oldest_due=connection.scalar(select(func.min(due)).where(due <= now, _free(now))),
        dead_deliveries=number(select(count()).select_from(Delivery).where(Delivery.state == "dead")),
        pending_deliveries=number(select(count()).select_from(Delivery).where(Delivery.state == "pending")),
        rejected_requests=number(select(count()).select_from(RejectedRequest)),
        paused_accounts={row[0]: str(row[1]) for row in connection.execute(paused)},
    )


def _free(now: datetime) -> ColumnElement[bool]:
    free: ColumnElement[bool] = _PROJECTS.c.leased_until.is_(None) | (_PROJECTS.c.leased_until <= now)
    return free
