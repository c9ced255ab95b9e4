"""Claiming due projects: leasing them and taking their requests from the rate limit, in one transaction."""

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from worker.domain.batches import batched
from worker.domain.metrics import labels
from worker.domain.monitoring.account_keys import SHOWN_EVERY
from worker.domain.projects.status import WAITING
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.fairness import fair_shares
from worker.domain.scheduling.hazard import expected_delay_saved
from worker.domain.scheduling.prioritization import CANDIDATES, MOST_CANDIDATES, Candidate, SettlingCandidate, choose
from worker.domain.scheduling.rate_limit import Limits, available, consume, refill
from worker.domain.scheduling.schedule import render_start
from worker.store.counting import count_up_to
from worker.store.engine import clock
from worker.store.models import TrackedProject
from worker.store.monitoring.totals import add_totals
from worker.store.scheduling.leases import Batch, in_flight, make_lease
from worker.store.scheduling.rate_limits import count_requests, lock_free_rate_limits, save_rate_limit
from worker.store.types import listed

_PROJECTS: Final[Any] = TrackedProject.__table__
# What an account has due is divided into about this many batches, so that several workers share it; but small ones are
# expensive, because a batch has costs of its own.
_BATCHES: Final = 8
_SMALLEST_BATCH: Final = 50
# The columns that _candidate and _settling_candidate take.
_RUNNING: Final = (
    *(_PROJECTS.c.id, _PROJECTS.c.kind, _PROJECTS.c.type, _PROJECTS.c.status),
    *(_PROJECTS.c.queued_at, _PROJECTS.c.opened_at, _PROJECTS.c.created_at),
    *(_PROJECTS.c.last_observed_at, _PROJECTS.c.next_check_at),
)
_SETTLING: Final = (_PROJECTS.c.id, _PROJECTS.c.next_check_at, _PROJECTS.c.check_gap, _PROJECTS.c.hinted_at)


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
    with_key: Collection[str] | None = None,
) -> list[Batch]:
    """Lease due projects, within each account's rate limit and the workers' capacity.

    A batch has at most ``batch_size`` projects. If more is due than may be claimed, the most valuable checks go
    first (domain/scheduling/prioritization.py). Accounts that another dispatcher has locked are skipped, and so
    are those not in ``with_key`` (None: all accounts).
    """
    accounts = lock_free_rate_limits(connection, with_key)
    now = clock(connection)
    flying, expired = in_flight(connection, now)
    refilled = {name: refill(rate_limit, limits, now) for name, rate_limit in accounts.items()}
    allowed = {name: available(state, limits, flying.get(name, 0), now) for name, state in refilled.items()}
    capacity = max(0, max_in_flight - sum(flying.values()))
    wants = {name: _count_due(connection, name, now, min(most, capacity)) for name, most in allowed.items() if most}
    shares = fair_shares(wants, capacity, turn=now.microsecond // 1000)
    until = now + timedelta(seconds=lease_seconds)
    batches: list[Batch] = []
    for name, share in shares.items():
        if not share:
            ids = []
        elif accounts[name].paused_until is not None:
            ids = _choose_probe(connection, name, share, now)
        else:
            ids = _choose(connection, name, share, now, durations)
        size = min(batch_size, max(_SMALLEST_BATCH, math.ceil(len(ids) / _BATCHES)))
        claimed = [make_lease(connection, name, part, now, until) for part in batched(ids, size)]
        batches += claimed
        if claimed:
            save_rate_limit(connection, name, consume(refilled[name], len(ids), now))
            count_requests(connection, name, len(ids), now)
    for name in sorted(accounts.keys() - {batch.account for batch in batches}):
        if not 0 <= (now - accounts[name].refilled_at).total_seconds() <= SHOWN_EVERY:
            # Shows that we have its key. And if the clock was set back, no tokens would be added otherwise.
            save_rate_limit(connection, name, refilled[name])
    add_totals(connection, {("leases_expired", labels()): expired})
    return batches


def _count_due(connection: Connection, account: str, now: datetime, most: int) -> int:
    return count_up_to(connection, select(TrackedProject.id).where(_due(account, now)), most)


def _choose(connection: Connection, account: str, share: int, now: datetime, durations: Durations) -> list[int]:
    """Lock the projects to check now, and return their ids. Other candidates are not locked."""
    due = select(_PROJECTS.c.id).where(_due(account, now)).order_by(_PROJECTS.c.next_check_at).limit(share + 1)
    chosen = list(connection.scalars(due))
    if len(chosen) > share:
        chosen = _rank(connection, account, share, now, durations)
    return _lock(connection, account, chosen, now)


def _choose_probe(connection: Connection, account: str, share: int, now: datetime) -> list[int]:
    """Lock the project that tests a paused account: the one with the fewest failures, whose own trouble is unlikely."""
    columns = (_PROJECTS.c.id, _PROJECTS.c.failure_count, _PROJECTS.c.next_check_at)
    due = (
        select(*columns).where(_due(account, now)).order_by(_PROJECTS.c.next_check_at).limit(MOST_CANDIDATES).subquery()
    )
    fewest = select(due.c.id).order_by(due.c.failure_count, due.c.next_check_at).limit(share)
    return _lock(connection, account, list(connection.scalars(fewest)), now)


def _lock(connection: Connection, account: str, ids: list[int], now: datetime) -> list[int]:
    locked = (
        select(_PROJECTS.c.id)
        .where(listed(_PROJECTS.c.id, "ids"), _due(account, now))
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(connection.scalars(locked, {"ids": ids}))


def _rank(connection: Connection, account: str, share: int, now: datetime, durations: Durations) -> list[int]:
    """Choose among the projects that came due first; running and finished ones have separate windows."""
    due = _due(account, now)
    is_running = _PROJECTS.c.state == "active"
    running = select(*_RUNNING).where(due, is_running).order_by(_PROJECTS.c.next_check_at)
    settling = select(*_SETTLING).where(due, ~is_running).order_by(_PROJECTS.c.next_check_at)
    window = min(share * CANDIDATES, max(share, MOST_CANDIDATES))
    return choose(
        [_candidate(row, now, durations) for row in connection.execute(running.limit(window))],
        share,
        [_settling_candidate(row, now) for row in connection.execute(settling.limit(max(share, MOST_CANDIDATES)))],
        lot=now.microsecond / 1e6,
    )


def _candidate(row: Sequence[Any], now: datetime, durations: Durations) -> Candidate:
    """Return a running project as a candidate, with the delay that its check is expected to save."""
    id_, kind, type_, status, queued_at, opened_at, created_at, last_observed_at, next_check_at = row
    seen_at = last_observed_at or opened_at
    waits = status is None or status in WAITING
    age = 0.0 if waits else max(0.0, (seen_at - render_start(queued_at, opened_at, created_at)).total_seconds())
    saved = expected_delay_saved(durations.of(kind, type_), age, max(0.0, (now - seen_at).total_seconds()))
    return Candidate(id_, (now - next_check_at).total_seconds(), saved)


def _settling_candidate(row: Sequence[Any], now: datetime) -> SettlingCandidate:
    """Return a finished project as a candidate; a requested recheck counts as planned for now."""
    id_, next_check_at, check_gap, hinted_at = row
    gap = 0.0 if hinted_at is not None or check_gap is None else check_gap
    return SettlingCandidate(id_, (now - next_check_at).total_seconds(), gap)
