"""Claiming what is due: the claim is the lease and the rate limiter in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from worker.domain.allowance import Limits, claimable, refill, take
from worker.domain.durations import Durations
from worker.domain.fairness import fair_shares
from worker.domain.hazard import benefit
from worker.domain.overload import CANDIDATES, MOST_CANDIDATES, Candidate, choose
from worker.domain.status import WAITING
from worker.store.accounts import lock_free_allowances, note_requests, save_allowance
from worker.store.engine import clock
from worker.store.leases import Batch, in_flight, make_lease
from worker.store.models import TrackedProject
from worker.store.types import listed

_PROJECTS: Final[Any] = TrackedProject.__table__
# What _candidate takes, in its order.
_TOLD: Final = (
    *(_PROJECTS.c.id, _PROJECTS.c.kind, _PROJECTS.c.type, _PROJECTS.c.state, _PROJECTS.c.status),
    *(_PROJECTS.c.queued_at, _PROJECTS.c.opened_at, _PROJECTS.c.last_observed_at, _PROJECTS.c.next_check_at),
)


def _due(account: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        TrackedProject.account == account,
        TrackedProject.next_check_at <= now,
        or_(TrackedProject.leased_until.is_(None), TrackedProject.leased_until <= now),
    )


def claim_due(
    connection: Connection,
    limits: Limits,
    durations: Durations,
    *,
    lease_seconds: float,
    batch_size: int,
    max_in_flight: int,
) -> list[Batch]:
    """Lease what is due as far as every account's allowance and the workers' capacity go.

    When more is due than that, those go first of which a check promises most (domain/overload.py). Accounts that
    another dispatcher is busy with are left to it.
    """
    accounts = lock_free_allowances(connection)
    now = clock(connection)
    flying = in_flight(connection, now)
    refilled = {name: refill(allowance, limits, now) for name, allowance in accounts.items()}
    allowed = {name: claimable(state, limits, flying.get(name, 0), now) for name, state in refilled.items()}
    capacity = max(0, max_in_flight - sum(flying.values()))
    wants = {name: _count_due(connection, name, now, min(most, capacity)) for name, most in allowed.items() if most}
    shares = fair_shares(wants, capacity, turn=now.microsecond // 1000)
    until = now + timedelta(seconds=lease_seconds)
    batches: list[Batch] = []
    for name, share in shares.items():
        ids = _choose(connection, name, share, now, durations) if share else []
        parts = [ids[start : start + batch_size] for start in range(0, len(ids), batch_size)]
        claimed = [make_lease(connection, name, part, now, until) for part in parts]
        batches += claimed
        if claimed:
            size = sum(batch.size for batch in claimed)
            save_allowance(connection, name, take(refilled[name], size, now))
            note_requests(connection, name, size, now)
    return batches


def _count_due(connection: Connection, account: str, now: datetime, most: int) -> int:
    due = select(TrackedProject.id).where(_due(account, now)).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(due)) or 0


def _choose(connection: Connection, account: str, share: int, now: datetime, durations: Durations) -> list[int]:
    """Lock who is to be checked now, and return their ids. Candidates that are passed over are not locked."""
    candidates = (
        select(*_TOLD)
        .where(_due(account, now))
        .order_by(TrackedProject.next_check_at)
        .limit(min(share * CANDIDATES, max(share, MOST_CANDIDATES)))
    )
    rows: Sequence[Any] = connection.execute(candidates).all()
    if len(rows) <= share:
        chosen = [row.id for row in rows]
    else:
        chosen = choose([_candidate(row, now, durations) for row in rows], share)
    locked = (
        select(_PROJECTS.c.id)
        .where(listed(_PROJECTS.c.id, "ids"), _due(account, now))
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(connection.scalars(locked, {"ids": chosen}))


def _candidate(row: Sequence[Any], now: datetime, durations: Durations) -> Candidate:
    """Tell what a check is expected to bring; of one that does not run nothing urgent is expected."""
    id_, kind, type_, state, status, queued_at, opened_at, last_observed_at, next_check_at = row
    expected = 0.0
    if state == "active":
        seen_at = last_observed_at or opened_at
        waits = status is None or status in WAITING
        age = 0.0 if waits else max(0.0, (seen_at - (queued_at or opened_at)).total_seconds())
        expected = benefit(durations.of(kind, type_), age, max(0.0, (now - seen_at).total_seconds()))
    return Candidate(id_, (now - next_check_at).total_seconds(), expected)
