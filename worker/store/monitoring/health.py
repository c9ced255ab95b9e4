"""Reading the facts for health. Every query uses an index and counts to at most 10,000, however large the tables."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, TextClause, and_, case, exists, func, not_, select, text

from worker.domain.monitoring.account_keys import has_key
from worker.domain.monitoring.facts import (
    DESTINATION_FAILS_AFTER,
    MOST_COUNTED,
    NO_ANSWER_AFTER,
    AccountFacts,
    Facts,
    FailingDestination,
    PausedDestination,
    is_recent_failure,
    recent,
)
from worker.domain.monitoring.health import Health, judge
from worker.domain.projects.status import KINDS
from worker.store.counting import count_up_to
from worker.store.deliveries.destinations import IS_OPEN, unattended_since
from worker.store.engine import clock
from worker.store.intake.sql_requests import count_rows
from worker.store.models import Account, Delivery, Destination, Lease, RejectedRequest, TrackedProject
from worker.store.models.views import DETECTION_DELAYS
from worker.store.monitoring import definitions
from worker.store.monitoring.invariant_scan import read_scan
from worker.store.monitoring.job_heartbeats import read_heartbeats
from worker.store.monitoring.webhook_counts import count_missed, last_webhooks
from worker.store.types import UtcDateTime

_PROJECTS: Final[Any] = TrackedProject.__table__
_DELIVERIES: Final[Any] = Delivery.__table__
_DELAYS: Final = DETECTION_DELAYS
_MOST_FAILING: Final = 10
_MOST_PAUSED: Final = 20
_DELAYS_OVER: Final = timedelta(hours=1)
_SILENCE: Final = timedelta(seconds=NO_ANSWER_AFTER)
_RECENTLY_CHECKED: Final = timedelta(minutes=5)


def read_health(connection: Connection, *, keys: Collection[str], target_delay: float) -> Health:
    """Return the state of the system and what is wrong. ``keys`` are the accounts with a key in this process.

    ``target_delay`` is the target detection delay in seconds. Raises StoreUnavailableError.
    """
    return judge(read_facts(connection, keys, target_delay))


def read_facts(connection: Connection, keys: Collection[str], target_delay: float) -> Facts:
    """Return the state of the system, as stored."""
    now = clock(connection)
    beats = read_heartbeats(connection)
    beat, unread = beats["beat"], beats["intake_failure"]
    ends, mean_delay = _delays(connection, now)
    scan = read_scan(connection)
    rejected_at = RejectedRequest.rejected_at
    return Facts(
        now=now,
        accounts=tuple(_accounts(connection, now, keys, beats["dispatch"].at)),
        active=_count(connection, _PROJECTS, _PROJECTS.c.state == "active"),
        settling=_count(connection, _PROJECTS, _PROJECTS.c.state == "settling"),
        stalled=_count(connection, _PROJECTS, definitions.is_stalled()),
        stalled_since=_first(connection, _PROJECTS.c.stalled_at, definitions.is_stalled()),
        unstarted_leases=_count(connection, Lease, Lease.leased_until > now, Lease.begun_at.is_(None)),
        started_leases=_count(connection, Lease, Lease.leased_until > now, Lease.begun_at.is_not(None)),
        last_beat=beat.at,
        beat_problem=beat.problem,
        last_dispatch=beats["dispatch"].at,
        last_check=beats["check"].at,
        last_intake=beats["intake"].at,
        intake_problem=unread.problem if is_recent_failure(unread.at, now) else None,
        track_requests=count_rows(connection),
        locked_track_requests=count_rows(connection, postponed=True),
        pending_deliveries=_count(connection, _DELIVERIES, definitions.is_waiting()),
        undelivered_since=unattended_since(connection),
        failing_destinations=_failing(connection, now),
        paused_destinations=_paused(connection),
        dead_deliveries=_count(connection, _DELIVERIES, definitions.is_dead()),
        dead_since=_first(connection, _DELIVERIES.c.created_at, definitions.is_dead()),
        rejected_requests=_count(connection, RejectedRequest, rejected_at >= recent(now)),
        rejected_since=_first(connection, rejected_at, rejected_at >= recent(now)),
        ends=ends,
        mean_delay=mean_delay,
        target_delay=target_delay,
        is_read_only=_is_read_only(connection),
        violations=scan.violations,
        violated_since=scan.since,
    )


def _accounts(
    connection: Connection, now: datetime, keys: Collection[str], last_dispatch: datetime | None
) -> list[AccountFacts]:
    columns = (Account.name, Account.paused_until, Account.pause_reason, Account.pause_detail, Account.answered_at)
    paused = definitions.is_paused(now).label("is_paused")
    rows = connection.execute(select(*columns, Account.refilled_at, paused).order_by(Account.name)).all()
    webhooks = last_webhooks(connection)
    known = {row.name: has_key(row.name, keys, row.refilled_at, last_dispatch, now) is not False for row in rows}
    return [_account(connection, now, row, webhooks.get(row.name), is_known=known[row.name]) for row in rows]


def _account(
    connection: Connection,
    now: datetime,
    row: Any,  # noqa: ANN401  a row
    last_webhook: datetime | None,
    *,
    is_known: bool,
) -> AccountFacts:
    own = _PROJECTS.c.account == row.name
    due = definitions.is_due(now)
    next_check_at = _PROJECTS.c.next_check_at
    waiting = AccountFacts(
        name=row.name,
        has_key=is_known,
        was_answered=row.answered_at is not None,
        is_paused=bool(row.is_paused),
        paused_until=row.paused_until,
        pause_reason=row.pause_reason,
        pause_detail=row.pause_detail,
        due=_count(connection, _PROJECTS, own, due),
        due_since=_first(connection, next_check_at, own, due),
    )
    if not is_known:  # there may be hundreds: senders can invent names
        return waiting
    is_silent = row.answered_at is None or row.answered_at < now - _SILENCE
    failing, failing_since = (
        _failing_projects(connection, now, row.name) if is_silent and not row.is_paused else (0, None)
    )
    return replace(
        waiting,
        overdue=_count(connection, _PROJECTS, own, definitions.is_overdue(now)),
        unclaimed_since=_first(connection, next_check_at, own, due, not_(definitions.is_leased(now))),
        failing=failing,
        failing_since=failing_since,
        last_webhook=last_webhook,
        missed_webhooks=0 if last_webhook is None else count_missed(connection, row.name, last_webhook, now),
    )


def _failing_projects(connection: Connection, now: datetime, account: str) -> tuple[int, datetime | None]:
    """Return how many projects have only had unusable answers for a while, and since when.

    None if one that was checked recently has not failed. Looks at the projects that are checked soon.
    """
    names = ("failing_since", "failure_count", "last_problem", "last_observed_at", "next_check_at")
    columns = [_PROJECTS.c[name] for name in names]
    is_soon = _PROJECTS.c.next_check_at <= now + definitions.CHECKED_WITHIN
    soon = (
        select(*columns)
        .where(_PROJECTS.c.account == account, is_soon)
        .order_by(_PROJECTS.c.next_check_at)
        .limit(MOST_COUNTED)
        .subquery()
    ).c
    failed = definitions.is_unanswered(now, soon)
    is_well = and_(soon.failure_count == 0, soon.last_observed_at >= now - _RECENTLY_CHECKED)
    counts = (func.sum(case((failed, 1), else_=0)), func.sum(case((is_well, 1), else_=0)))
    failing, well, since = connection.execute(
        select(*counts, func.min(case((failed, soon.failing_since)), type_=UtcDateTime))
    ).one()
    return (0, None) if well or not failing else (int(failing), since)


def _count(connection: Connection, of: Any, *conditions: ColumnElement[bool] | TextClause) -> int:  # noqa: ANN401  table or model
    return count_up_to(connection, select(of).where(*conditions))


def _first(connection: Connection, moment: Any, *conditions: ColumnElement[bool]) -> datetime | None:  # noqa: ANN401  a column
    return connection.scalar(select(moment).where(*conditions).order_by(moment).limit(1))


def _failing(connection: Connection, now: datetime) -> list[FailingDestination]:
    """Return the destinations that have been failing for minutes while deliveries wait, those failing longest first."""
    own = _DELIVERIES.c.destination
    rows = connection.execute(
        select(Destination.name, Destination.failing_since, Destination.last_error)
        .where(Destination.open_until.is_not(None), Destination.paused.is_(False))
        .where(Destination.failing_since <= now - timedelta(seconds=DESTINATION_FAILS_AFTER))
        .where(exists().where(own == Destination.name, IS_OPEN))
        .order_by(Destination.failing_since)
        .limit(_MOST_FAILING)
    )
    return [
        FailingDestination(name, since, error, _count(connection, _DELIVERIES, own == name, IS_OPEN))
        for name, since, error in rows.all()
        if since is not None
    ]


def _paused(connection: Connection) -> list[PausedDestination]:
    """Return the destinations that are paused, those paused longest first."""
    columns = (Destination.name, Destination.paused_at, Destination.paused_by, Destination.pause_reason)
    paused = select(*columns).where(Destination.paused.is_(True)).order_by(Destination.paused_at).limit(_MOST_PAUSED)
    own = _DELIVERIES.c.destination
    return [
        PausedDestination(*row, waiting=_count(connection, _DELIVERIES, own == row.name, IS_OPEN))
        for row in connection.execute(paused).all()
    ]


def _delays(connection: Connection, now: datetime) -> tuple[int, float | None]:
    """Return the number of ends detected in the last hour, at most 10,000, and their mean delay."""
    latest = (
        select(_DELAYS.c.delay_seconds)
        .where(_DELAYS.c.kind.in_(KINDS), _DELAYS.c.finished_at >= now - _DELAYS_OVER)
        .where(_DELAYS.c.delay_seconds.is_not(None))
        .order_by(_DELAYS.c.finished_at.desc())
        .limit(MOST_COUNTED)
        .subquery()
    )
    ends, mean = connection.execute(select(func.count(), func.avg(latest.c.delay_seconds))).one()
    return ends, None if mean is None else float(mean)


def _is_read_only(connection: Connection) -> bool:
    """Whether transactions cannot write by default, or at all. SQLite has no such state."""
    if connection.dialect.name != "postgresql":
        return False
    setting = "current_setting('default_transaction_read_only') = 'on'"
    return bool(connection.scalar(text(f"SELECT pg_is_in_recovery() OR {setting}")))
