"""Leases: the right to check a batch of projects until a deadline.

A lease is a row of its own, so that its changes write one row instead of a hundred. Its projects have its token:
results are recorded only for projects that still have the token of their lease.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from worker.domain.metrics import NO_TOTALS, Totals
from worker.domain.projects.status import Kind
from worker.store.ids import new_token
from worker.store.models import Account, TrackedProject
from worker.store.models import Lease as LeaseRow
from worker.store.monitoring.totals import add_totals
from worker.store.types import Now, listed

_LEASES: Final[Any] = LeaseRow.__table__
_PROJECTS: Final[Any] = TrackedProject.__table__
_ACCOUNTS: Final[Any] = Account.__table__


def _of_account(column: Any) -> Any:  # noqa: ANN401  a column, and what selects it
    return select(column).where(_ACCOUNTS.c.name == _LEASES.c.account).correlate(_LEASES).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Batch:
    """The content of a check message: the lease of ``size`` projects of one account."""

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
    """A batch that a worker has started: token, account, projects, start time, and the seconds left at the start.

    ``pause_reason`` is why the account is paused, if it is; then this is a probe. ``answered_ago`` is how many seconds
    ago the account, or one of its projects, was last found. ``failure_streak`` counts towards the account's circuit.
    """

    token: str
    account: str
    begun_at: datetime
    seconds_left: float
    claims: tuple[Claim, ...]
    pause_reason: str | None = None
    answered_ago: float = math.inf
    failure_streak: int = 0


_CLAIM: Final = (
    update(_PROJECTS)
    .where(listed(_PROJECTS.c.id, "ids"))
    .values(lease_token=bindparam("token"), leased_until=bindparam("until"), claimed_at=bindparam("now"))
)
_BEGIN: Final = (
    update(_LEASES)
    .where(_LEASES.c.token == bindparam("begun"), _LEASES.c.begun_at.is_(None), _LEASES.c.leased_until > Now())
    .values(begun_at=Now())
    .returning(
        *(_LEASES.c.account, _LEASES.c.tracked_project_ids, _LEASES.c.begun_at, _LEASES.c.leased_until),
        *(_of_account(_ACCOUNTS.c.pause_reason), _of_account(_ACCOUNTS.c.answered_at)),
        _of_account(_ACCOUNTS.c.failure_streak),
    )
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
    """Start a batch; return None if its lease is over or another worker has started it.

    Only one worker can start it, so a duplicate message sends no requests.
    """
    row = connection.execute(_BEGIN, {"begun": token}).one_or_none()
    if row is None:
        return None
    held = connection.execute(_CLAIMS, {"ids": row.tracked_project_ids, "token": token})
    account, _, begun_at, until, pause_reason, answered_at, failure_streak = row
    ago = math.inf if answered_at is None else (begun_at - answered_at).total_seconds()
    left = (until - begun_at).total_seconds()
    claims = tuple(Claim(*each) for each in held)
    return Lease(token, account, begun_at, left, claims, pause_reason, ago, failure_streak)


def end_lease(connection: Connection, token: str, sent: Totals = NO_TOTALS) -> None:
    """Delete a lease: its requests are no longer in flight. ``sent`` has their counts, for the metrics."""
    connection.execute(delete(_LEASES).where(_LEASES.c.token == token))
    add_totals(connection, sent)


def in_flight(connection: Connection, now: datetime) -> tuple[dict[str, int], int]:
    """Return how many projects of each account are leased now; delete expired leases, and return their number."""
    live = _LEASES.c.leased_until > now
    counts = (func.sum(case((live, _LEASES.c.size), else_=0)), func.sum(case((live, 0), else_=1)))
    rows = connection.execute(select(_LEASES.c.account, *counts).group_by(_LEASES.c.account)).all()
    expired = 0
    if any(over for _, _, over in rows):
        # Another dispatcher may do the same.
        ended = select(_LEASES.c.token).where(~live).with_for_update(skip_locked=True)
        expired = connection.execute(delete(_LEASES).where(_LEASES.c.token.in_(ended))).rowcount
    return {account: int(size) for account, size, _ in rows}, expired
