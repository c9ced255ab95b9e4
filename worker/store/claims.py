"""Claiming what is due: the claim is the lease and the rate limiter in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from worker.domain.allowance import Limits, claimable, refill, take
from worker.domain.durations import Durations
from worker.domain.fairness import fair_shares
from worker.domain.hazard import benefit
from worker.domain.overload import CANDIDATES, MOST_CANDIDATES, Candidate, choose
from worker.domain.status import WAITING, Kind
from worker.store.accounts import lock_free_allowances, note_requests, save_allowance
from worker.store.engine import clock
from worker.store.identity import new_token
from worker.store.models import TrackedProject


@dataclass(frozen=True, slots=True)
class Batch:
    """What one message carries: the lease of ``size`` projects of one account."""

    token: str
    account: str
    size: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to check one project, held by whoever knows the token."""

    id: int
    kind: Kind
    project_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch that a worker has begun: its new token, its account, its projects, and the seconds it has left."""

    token: str
    account: str
    seconds_left: float
    claims: tuple[Claim, ...]


def _leased(now: datetime) -> ColumnElement[bool]:
    return and_(TrackedProject.lease_token.is_not(None), TrackedProject.leased_until > now)


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
    in_flight = _in_flight(connection, now)
    refilled = {name: refill(allowance, limits, now) for name, allowance in accounts.items()}
    allowed = {name: claimable(state, limits, in_flight.get(name, 0), now) for name, state in refilled.items()}
    wants = {name: _count_due(connection, name, now, most) for name, most in allowed.items() if most}
    shares = fair_shares(wants, max_in_flight - sum(in_flight.values()), turn=now.microsecond // 1000)
    until = now + timedelta(seconds=lease_seconds)
    batches: list[Batch] = []
    for name, share in shares.items():
        ids = _choose(connection, name, share, now, durations) if share else []
        parts = [ids[start : start + batch_size] for start in range(0, len(ids), batch_size)]
        claimed = [_lease_batch(connection, name, part, now, until) for part in parts]
        batches += claimed
        if claimed:
            size = sum(batch.size for batch in claimed)
            save_allowance(connection, name, take(refilled[name], size, now))
            note_requests(connection, name, size, now)
    return batches


def _in_flight(connection: Connection, now: datetime) -> dict[str, int]:
    statement = select(TrackedProject.account, func.count()).where(_leased(now)).group_by(TrackedProject.account)
    return {row[0]: row[1] for row in connection.execute(statement)}


def _count_due(connection: Connection, account: str, now: datetime, most: int) -> int:
    due = select(TrackedProject.id).where(_due(account, now)).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(due)) or 0


def _choose(connection: Connection, account: str, share: int, now: datetime, durations: Durations) -> list[int]:
    names = ("id", "kind", "type", "state", "status", "queued_at", "opened_at", "last_observed_at", "next_check_at")
    statement = (
        select(*(getattr(TrackedProject, name) for name in names))
        .where(_due(account, now))
        .order_by(TrackedProject.next_check_at)
        .limit(min(share * CANDIDATES, max(share, MOST_CANDIDATES)))
        .with_for_update(skip_locked=True, key_share=True)
    )
    rows: Sequence[Any] = connection.execute(statement).all()
    if len(rows) <= share:
        return [row.id for row in rows]
    return choose([_candidate(row, now, durations) for row in rows], share)


def _candidate(row: Any, now: datetime, durations: Durations) -> Candidate:  # noqa: ANN401  a row
    """Tell what a check is expected to bring; of one that does not run nothing urgent is expected."""
    expected = 0.0
    if row.state == "active":
        seen_at = row.last_observed_at or row.opened_at
        waits = row.status is None or row.status in WAITING
        age = 0.0 if waits else max(0.0, (seen_at - (row.queued_at or row.opened_at)).total_seconds())
        expected = benefit(durations.of(row.kind, row.type), age, max(0.0, (now - seen_at).total_seconds()))
    return Candidate(row.id, (now - row.next_check_at).total_seconds(), expected)


def _lease_batch(connection: Connection, account: str, ids: Sequence[int], now: datetime, until: datetime) -> Batch:
    token = new_token()
    connection.execute(
        update(TrackedProject)
        .where(TrackedProject.id.in_(ids))
        .values(lease_token=token, leased_until=until, claimed_at=now)
    )
    return Batch(token, account, len(ids))


def begin_batch(connection: Connection, token: str) -> Lease | None:
    """Take a batch over under a new token, or return None when its lease is over or somebody else has taken it.

    The swap makes a repeated message harmless: the second one finds nothing, and sends no requests.
    """
    columns = (TrackedProject.id, TrackedProject.kind, TrackedProject.project_id)
    locked = (
        select(*columns, TrackedProject.account, TrackedProject.leased_until)
        .where(TrackedProject.lease_token == token)
        .order_by(TrackedProject.id)
        .with_for_update(key_share=True)
    )
    rows: Sequence[Any] = connection.execute(locked).all()
    now = clock(connection)
    left = min((row.leased_until - now).total_seconds() for row in rows) if rows else 0.0
    if left <= 0:
        return None
    mine = new_token()
    begun = update(TrackedProject).where(TrackedProject.lease_token == token)
    connection.execute(begun.values(lease_token=mine, claimed_at=now))
    claims = tuple(Claim(row.id, row.kind, row.project_id) for row in rows)
    return Lease(mine, rows[0].account, left, claims)
