"""What an operator does to tracked projects; each act is noted with who did it and why."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, insert, select, true, update

from worker.domain.status import Kind
from worker.store.engine import clock
from worker.store.models import Account, OperatorAction, TrackedProject

_LONGEST: Final = 200
_LONGEST_REASON: Final = 2000


def _lock(connection: Connection, these: ColumnElement[bool]) -> None:
    """Lock projects in the order in which everybody locks them, so that nobody waits in a circle."""
    statement = select(TrackedProject.id).where(these).order_by(TrackedProject.id)
    connection.execute(statement.with_for_update(key_share=True))


def _these(kind: Kind | None, project_ids: Sequence[str] | None) -> ColumnElement[bool]:
    ids = true() if project_ids is None else TrackedProject.project_id.in_(project_ids)
    return ids if kind is None else and_(ids, TrackedProject.kind == kind)


def untrack(
    connection: Connection, kind: Kind | None, project_ids: Sequence[str] | None, actor: str, reason: str | None
) -> list[str]:
    """Close open projects as ``untracked``, also under a check that is going on. Returns the ids that were closed.

    Without ``project_ids`` it is all of them.
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
        )
        .returning(TrackedProject.id, TrackedProject.project_id)
    )
    rows = connection.execute(statement).all()
    note(connection, "untrack", [row.id for row in rows], actor, reason)
    return [row.project_id for row in rows]


def recheck(
    connection: Connection, kind: Kind | None, project_ids: Sequence[str] | None, actor: str, reason: str | None
) -> list[str]:
    """Make projects due now, closed ones too. One that is being checked is checked once more. Returns their ids.

    Without ``project_ids`` it is all of them.
    """
    these = _these(kind, project_ids)
    _lock(connection, these)
    now = clock(connection)
    statement = (
        update(TrackedProject)
        .where(these)
        .values(next_check_at=now, hinted_at=now)
        .returning(TrackedProject.id, TrackedProject.project_id)
    )
    rows = connection.execute(statement).all()
    note(connection, "recheck", [row.id for row in rows], actor, reason)
    return [row.project_id for row in rows]


def note(connection: Connection, action: str, ids: Sequence[int | None], actor: str, reason: str | None) -> None:
    """Note what somebody did to tracked projects; None stands for an act that concerns none in particular."""
    now = clock(connection)
    rows = [
        {
            "actor": actor[:_LONGEST],
            "action": action,
            "tracked_project_id": id_,
            "reason": reason[:_LONGEST_REASON] if reason else None,
            "acted_at": now,
        }
        for id_ in ids
    ]
    if rows:
        connection.execute(insert(OperatorAction), rows)


def known_ids(connection: Connection, kind: Kind | None, project_ids: Sequence[str]) -> set[str]:
    """Return which of these ids are tracked, or were."""
    return set(connection.scalars(select(TrackedProject.project_id).where(_these(kind, project_ids))))


def kinds_of(connection: Connection, project_id: str) -> list[str]:
    """Return the kinds under which an id is known: almost always one."""
    found = select(TrackedProject.kind).where(TrackedProject.project_id == project_id).order_by(TrackedProject.kind)
    return list(connection.scalars(found))


def resume_account(connection: Connection, name: str, actor: str, reason: str | None) -> bool:
    """Lift the pause of an account. Returns whether there is such an account."""
    values = {"paused_until": None, "pause_reason": None, "failure_streak": 0}
    if not connection.execute(update(Account).where(Account.name == name).values(values)).rowcount:
        return False
    note = f"{name}: {reason}" if reason else name
    action = {"actor": actor[:_LONGEST], "action": "resume account", "reason": note[:_LONGEST_REASON]}
    connection.execute(insert(OperatorAction).values(**action, acted_at=clock(connection)))
    return True
