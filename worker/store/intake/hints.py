"""Hints from outside: making a project due, and keeping those about projects that are not tracked yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, tuple_, update

from worker.domain.intake.hint import Hint
from worker.store.bulk import rows_of
from worker.store.counting import count_up_to
from worker.store.models import PendingHint, TrackedProject
from worker.store.scheduling.rate_limits import insert_ignoring
from worker.store.types import Now

# Hints about projects that are not tracked: how long they are kept, how many, and how many of the oldest make room.
KEPT_FOR: Final = timedelta(days=1)
MOST_KEPT: Final = 10_000
_ROOM: Final = 1000
# A kind, an id and an account.
Key = tuple[str, str, str]
_KEY: Final = ("kind", "project_id", "account")
_PROJECTS: Final[Any] = TrackedProject.__table__
_PENDING: Final[Any] = PendingHint.__table__
# Due and not being checked: the check that comes will see what the hint is about.
_WAITS: Final = and_(
    _PROJECTS.c.next_check_at <= Now(), or_(_PROJECTS.c.leased_until.is_(None), _PROJECTS.c.leased_until <= Now())
)
_FIND: Final = select(
    *(_PROJECTS.c.id, _PROJECTS.c.account, _PROJECTS.c.status),
    ((_PROJECTS.c.state == "closed") | _WAITS).label("needs_none"),
).where(_PROJECTS.c.kind == bindparam("kind"), _PROJECTS.c.project_id == bindparam("project_id"))
_MAKE_DUE: Final = (
    update(_PROJECTS)
    .where(_PROJECTS.c.id == bindparam("hinted"), _PROJECTS.c.state != "closed")
    .values(next_check_at=Now(), hinted_at=Now(), hinted_status=bindparam("reported"))
)


@dataclass(frozen=True, slots=True)
class HintedProject:
    """A tracked project that a hint is about. ``needs_none``: it is closed, or due and not being checked."""

    id: int
    account: str
    status: str | None
    needs_none: bool


def find_hinted(connection: Connection, hint: Hint) -> HintedProject | None:
    """Return the project that a hint is about, by one indexed statement; None if it is not tracked."""
    row = connection.execute(_FIND, {"kind": hint.kind, "project_id": hint.project_id}).one_or_none()
    return None if row is None else HintedProject(row.id, row.account, row.status, bool(row.needs_none))


def make_due(connection: Connection, id_: int, status: str | None) -> bool:
    """Make an open project due now, even while it is being checked. Returns whether it is open.

    ``status`` is the one that the hint reported.
    """
    return bool(connection.execute(_MAKE_DUE, {"hinted": id_, "reported": status}).rowcount)


def keep_hint(connection: Connection, account: str, hint: Hint) -> None:
    """Keep a hint about a project that is not tracked, in place of the oldest ones if there are too many."""
    if count_up_to(connection, select(_PENDING.c.received_at), MOST_KEPT) >= MOST_KEPT:
        oldest = select(_PENDING.c.received_at).order_by(_PENDING.c.received_at).offset(_ROOM).limit(1)
        connection.execute(delete(_PENDING).where(_PENDING.c.received_at < oldest.scalar_subquery()))
    row = {"kind": hint.kind, "project_id": hint.project_id, "account": account}
    connection.execute(insert_ignoring(connection, _PENDING).values(row | {"received_at": Now()}))


def take_kept(connection: Connection, keys: Sequence[Key], now: datetime) -> set[Key]:
    """Delete the kept hints about projects, given by kind, id and account. Returns those less than a day old."""
    wanted = [dict(zip(_KEY, key, strict=True)) for key in keys]
    rows = rows_of(connection, PendingHint, wanted, (*_KEY, "received_at")).all()
    if rows:
        connection.execute(delete(_PENDING).where(tuple_(*(_PENDING.c[name] for name in _KEY)).in_(keys)))
    return {(row.kind, row.project_id, row.account) for row in rows if row.received_at > now - KEPT_FOR}


def delete_old_hints(connection: Connection, now: datetime) -> int:
    """Delete hints that were kept for a day. Returns how many."""
    return connection.execute(delete(_PENDING).where(_PENDING.c.received_at <= now - KEPT_FOR)).rowcount
