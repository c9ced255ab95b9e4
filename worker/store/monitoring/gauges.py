"""The current state, for /metrics. Every query uses an index or a small table, whatever the size of the history."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, not_, select, text

from worker.domain.metrics import CATALOGUE, SUM, labels
from worker.domain.scheduling.rate_limit import Limits
from worker.store.engine import clock
from worker.store.models import Account, Delivery, Destination, Lease, TrackedProject
from worker.store.monitoring import definitions
from worker.store.monitoring.health import read_health
from worker.store.monitoring.invariant_scan import read_scan
from worker.store.monitoring.totals import read_totals

# By metric and label values; a histogram has a sample for each bucket, by number, and one for its sum.
Samples = dict[str, dict[str, float]]
_PROJECTS: Final[Any] = TrackedProject.__table__
_LEASES: Final[Any] = Lease.__table__
_DELIVERIES: Final[Any] = Delivery.__table__
_ALONE: Final = labels()
_PAUSED: Final = select(func.count()).select_from(Destination).where(Destination.paused.is_(True))
_FAILING: Final = select(func.count()).select_from(Destination).where(Destination.open_until.is_not(None))


def read_samples(connection: Connection, limits: Limits, keys: Collection[str], target_delay: float) -> Samples:
    """Read every metric that comes from the database.

    ``keys`` are the accounts that the settings have a key for.
    """
    now = clock(connection)
    samples: Samples = {metric.name: {} for metric in CATALOGUE if metric.type != "gauge"}
    for (name, values), value in read_totals(connection).items():
        if name in samples:  # a newer version may count other metrics too
            samples[name][values] = value / 1000 if values == SUM else value
    for metric in CATALOGUE:
        if metric.type == "counter" and not metric.labels:
            samples[metric.name].setdefault(_ALONE, 0)
    accounts = connection.execute(select(Account)).mappings().all()
    names = [row["name"] for row in accounts]
    health = read_health(connection, keys=keys, target_delay=target_delay)
    samples["finding"] = {labels(one.code, one.severity, one.subject or ""): 1 for one in health.findings}
    samples |= _projects(connection, names, now)
    samples |= _leases(connection, names, now)
    samples |= _deliveries(connection, now)
    samples["request_limit_per_second"] = {labels(row["name"]): limits.rate * row["rate_factor"] for row in accounts}
    samples["account_paused"] = {
        labels(account.name, account.pause_reason or ""): 1 for account in health.facts.accounts if account.is_paused
    }
    samples["track_requests_waiting"] = {_ALONE: health.facts.track_requests}
    samples["last_dispatch_timestamp_seconds"] = _moment(health.facts.last_dispatch)
    samples["last_check_timestamp_seconds"] = _moment(health.facts.last_check)
    samples["invariant_violations"] = {_ALONE: health.facts.violations}
    samples["last_invariant_scan_timestamp_seconds"] = _moment(read_scan(connection).scanned_at)
    return samples


def _projects(connection: Connection, accounts: list[str], now: datetime) -> Samples:
    table = _PROJECTS.c
    # As a literal, because with a parameter the partial index cannot be used.
    open_ = select(table.kind, table.state, func.count()).where(text("state <> 'closed'"))
    by_state = open_.group_by(table.kind, table.state)
    due, oldest = {}, {}
    for name in accounts:
        condition = (table.account == name, definitions.is_due(now))
        due[labels(name)] = connection.scalar(select(func.count()).select_from(_PROJECTS).where(*condition)) or 0
        free = not_(definitions.is_leased(now))
        first = select(table.next_check_at).where(*condition, free).order_by(table.next_check_at).limit(1)
        oldest[labels(name)] = _age(connection.scalar(first), now)
    stalled = select(func.count()).select_from(_PROJECTS)
    stalled = stalled.where(definitions.is_stalled(), text("state <> 'closed'"))
    return {
        "projects_open": {labels(kind, state): count for kind, state, count in connection.execute(by_state)},
        "projects_due": due,
        "oldest_due_seconds": oldest,
        "projects_stalled": {_ALONE: connection.scalar(stalled) or 0},
    }


def _leases(connection: Connection, accounts: list[str], now: datetime) -> Samples:
    waiting = func.sum(case((_LEASES.c.begun_at.is_(None), _LEASES.c.size), else_=0))
    live = select(_LEASES.c.account, func.sum(_LEASES.c.size), waiting).where(_LEASES.c.leased_until > now)
    rows = connection.execute(live.group_by(_LEASES.c.account)).all()
    in_flight = dict.fromkeys(map(labels, accounts), 0.0) | {labels(name): float(size) for name, size, _ in rows}
    return {
        "checks_in_flight": in_flight,
        "checks_waiting": {_ALONE: sum(int(not_begun) for _, _, not_begun in rows)},
    }


def _deliveries(connection: Connection, now: datetime) -> Samples:
    table = _DELIVERIES.c

    def count(condition: ColumnElement[bool]) -> dict[str, float]:
        return {_ALONE: connection.scalar(select(func.count()).select_from(_DELIVERIES).where(condition)) or 0}

    oldest = connection.scalar(select(func.min(table.created_at)).where(definitions.is_waiting()))
    return {
        "deliveries_pending": count(definitions.is_waiting()),
        "deliveries_unconfirmed": count(definitions.is_unconfirmed()),
        "deliveries_dead": count(definitions.is_dead()),
        "oldest_pending_delivery_seconds": {_ALONE: _age(oldest, now)},
        "destinations_paused": {_ALONE: connection.scalar(_PAUSED) or 0},
        "destinations_failing": {_ALONE: connection.scalar(_FAILING) or 0},
    }


def read_database_size(connection: Connection) -> int:
    """Return the size of the database on disk, in bytes."""
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
        return int(pages * (connection.exec_driver_sql("PRAGMA page_size").scalar() or 0))
    return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def _moment(moment: datetime | None) -> dict[str, float]:
    return {_ALONE: moment.timestamp()} if moment else {}
