"""The actions of operators on tracked projects, each recorded with its actor and reason."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, insert, select, true, update

from worker.domain.projects.status import Kind
from worker.store.engine import clock
from worker.store.models import Account, OperatorAction, TrackedProject

_LONGEST: Final = 200
LONGEST_REASON: Final = 2000


def _lock(connection: Connection, these: ColumnElement[bool]) -> None:
    """Lock projects in the same order as every other transaction, which prevents deadlocks."""
    statement = select(TrackedProject.id).where(these).order_by(TrackedProject.id)
    connection.execute(statement.with_for_update(key_share=True))


def _these(kind: Kind | None, project_ids: Sequence[str] | None) -> ColumnElement[bool]:
    ids = true() if project_ids is None else TrackedProject.project_id.in_(project_ids)
    return ids if kind is None else and_(ids, TrackedProject.kind == kind)


def untrack(
    connection: Connection, kind: Kind | None, project_ids: Sequence[str] | None, actor: str, reason: str | None
) -> list[str]:
    """Close open projects as ``untracked``, even during a check. Returns the closed ids.

    Without ``project_ids``, all of them.
    """
    these = and_(_these(kind, project_ids), TrackedProject.state != "closed")
    _lock(connection, these)
    now = clock(connection)
    statement = (
        update(TrackedProject)
        .where(these)
        .values(
            state="closed",
            close_reason="untracked",
            closed_at=now,
            closing_count=TrackedProject.closing_count + 1,
            next_check_at=None,
            lease_token=None,
            leased_until=None,
            claimed_at=None,
            hinted_at=None,
            hinted_status=None,
        )
        .returning(TrackedProject.id, TrackedProject.project_id)
    )
    rows = connection.execute(statement).all()
    note(connection, "untrack", [row.id for row in rows], actor, reason)
    return [row.project_id for row in rows]


def recheck(
    connection: Connection, kind: Kind | None, project_ids: Sequence[str] | None, actor: str, reason: str | None
) -> list[str]:
    """Make projects due now, including closed ones. One that is being checked is checked again. Returns their ids.

    Without ``project_ids``, all of them.
    """
    these = _these(kind, project_ids)
    _lock(connection, these)
    now = clock(connection)
    statement = (
        update(TrackedProject)
        .where(these)
        .values(next_check_at=now, hinted_at=now, hinted_status=None)
        .returning(TrackedProject.id, TrackedProject.project_id)
    )
    rows = connection.execute(statement).all()
    note(connection, "recheck", [row.id for row in rows], actor, reason)
    return [row.project_id for row in rows]


def note(connection: Connection, action: str, ids: Sequence[int | None], actor: str, reason: str | None) -> None:
    """Record an action on tracked projects; the id None means an action that concerns no project."""
    now = clock(connection)
    rows = [
        {
            "actor": actor[:_LONGEST],
            "action": action,
            "tracked_project_id": id_,
            "reason": reason[:LONGEST_REASON] if reason else None,
            "acted_at": now,
        }
        for id_ in ids
    ]
    if rows:
        connection.execute(insert(OperatorAction), rows)


def note_about(connection: Connection, action: str, subject: str, actor: str, reason: str | None) -> None:
    """Record an action on an account or a destination, which its reason then begins with."""
    note(connection, action, [None], actor, f"{subject}: {reason}" if reason else subject)


def known_ids(connection: Connection, kind: Kind | None, project_ids: Sequence[str]) -> set[str]:
    """Return which of these ids are tracked, or were."""
    return set(connection.scalars(select(TrackedProject.project_id).where(_these(kind, project_ids))))


def kinds_of(connection: Connection, project_id: str) -> list[str]:
    """Return the kinds under which an id is tracked, almost always one."""
    found = select(TrackedProject.kind).where(TrackedProject.project_id == project_id).order_by(TrackedProject.kind)
    return list(connection.scalars(found))


def tracked_twice(connection: Connection, project_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids among these that are tracked under several kinds, with the kinds."""
    found: dict[str, list[str]] = {}
    wanted = select(TrackedProject.project_id, TrackedProject.kind).where(TrackedProject.project_id.in_(project_ids))
    for row in connection.execute(wanted.order_by(TrackedProject.kind)):
        found.setdefault(row.project_id, []).append(row.kind)
    return {project_id: kinds for project_id, kinds in found.items() if len(kinds) > 1}


def resume_account(connection: Connection, name: str, actor: str, reason: str | None) -> bool:
    """Lift the pause of an account. Returns whether the account exists."""
    values = {"paused_until": None, "pause_reason": None, "pause_detail": None, "failure_streak": 0}
    if not connection.execute(update(Account).where(Account.name == name).values(values)).rowcount:
        return False
    note_about(connection, "resume account", name, actor, reason)
    return True
