"""Leases: the right to check a batch of projects until a deadline.

A lease is a row of its own, so that what happens to it writes one row and not a hundred. Its projects carry its token:
whoever records for a project must find there the token that was given to him.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from worker.domain.status import Kind
from worker.store.identity import new_token
from worker.store.models import Lease as LeaseRow
from worker.store.models import TrackedProject
from worker.store.types import Now, listed

_LEASES: Final[Any] = LeaseRow.__table__
_PROJECTS: Final[Any] = TrackedProject.__table__


@dataclass(frozen=True, slots=True)
class Batch:
    """What one message carries: the lease of ``size`` projects of one account."""

    token: str
    account: str
    size: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to check one project."""

    id: int
    kind: Kind
    project_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch that a worker has begun: its token, its account, its projects, since when, and the seconds left then."""

    token: str
    account: str
    begun_at: datetime
    seconds_left: float
    claims: tuple[Claim, ...]


_CLAIM: Final = (
    update(_PROJECTS)
    .where(listed(_PROJECTS.c.id, "ids"))
    .values(lease_token=bindparam("token"), leased_until=bindparam("until"), claimed_at=bindparam("now"))
)
_BEGIN: Final = (
    update(_LEASES)
    .where(_LEASES.c.token == bindparam("begun"), _LEASES.c.begun_at.is_(None), _LEASES.c.leased_until > Now())
    .values(begun_at=Now())
    .returning(_LEASES.c.account, _LEASES.c.tracked_project_ids, _LEASES.c.begun_at, _LEASES.c.leased_until)
)
_CLAIMS: Final = (
    select(_PROJECTS.c.id, _PROJECTS.c.kind, _PROJECTS.c.project_id)
    .where(listed(_PROJECTS.c.id, "ids"), _PROJECTS.c.lease_token == bindparam("token"))
    .order_by(_PROJECTS.c.id)
)


def make_lease(connection: Connection, account: str, ids: Sequence[int], now: datetime, until: datetime) -> Batch:
    """Lease projects that the caller has locked."""
    token = new_token()
    lease = {"token": token, "account": account, "tracked_project_ids": list(ids), "size": len(ids)}
    connection.execute(insert(_LEASES), lease | {"leased_until": until})
    connection.execute(_CLAIM, {"ids": list(ids), "token": token, "until": until, "now": now})
    return Batch(token, account, len(ids))


def begin_batch(connection: Connection, token: str) -> Lease | None:
    """Begin to check a batch, or return None when its lease is over or somebody has begun it before.

    That only one can begin makes a repeated message harmless: the second one sends no requests.
    """
    row = connection.execute(_BEGIN, {"begun": token}).one_or_none()
    if row is None:
        return None
    held = connection.execute(_CLAIMS, {"ids": row.tracked_project_ids, "token": token})
    left = (row.leased_until - row.begun_at).total_seconds()
    return Lease(token, row.account, row.begun_at, left, tuple(Claim(*each) for each in held))


def end_lease(connection: Connection, token: str) -> None:
    """Forget a lease: its requests are no longer in flight."""
    connection.execute(delete(_LEASES).where(_LEASES.c.token == token))


def in_flight(connection: Connection, now: datetime) -> dict[str, int]:
    """Return how many projects of each account are leased now, and forget the leases that are over."""
    live = _LEASES.c.leased_until > now
    counts = (func.sum(case((live, _LEASES.c.size), else_=0)), func.sum(case((live, 0), else_=1)))
    rows = connection.execute(select(_LEASES.c.account, *counts).group_by(_LEASES.c.account)).all()
    if any(over for _, _, over in rows):
        # Another dispatcher may be doing the same.
        ended = select(_LEASES.c.token).where(~live).with_for_update(skip_locked=True)
        connection.execute(delete(_LEASES).where(_LEASES.c.token.in_(ended)))
    return {account: int(size) for account, size, _ in rows}
