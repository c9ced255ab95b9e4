"""The audit log: the actions of operators."""

from typing import Any

from sqlalchemy import Connection, select

from worker.store.models import OperatorAction, TrackedProject


def list_actions(
    connection: Connection, *, before: int | None = None, project: tuple[str, str] | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return actions of operators, newest first; optionally only those on one project (kind, id)."""
    action = OperatorAction
    columns = (action.id, action.actor, action.action, action.reason, action.acted_at)
    statement = (
        select(*columns, TrackedProject.kind, TrackedProject.project_id)
        .join(TrackedProject, TrackedProject.id == action.tracked_project_id, isouter=True)
        .order_by(action.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(action.id < before)
    if project is not None:
        statement = statement.where(TrackedProject.kind == project[0], TrackedProject.project_id == project[1])
    return [dict(row) for row in connection.execute(statement).mappings()]
