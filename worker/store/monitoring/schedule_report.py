"""When and why projects are checked, and the detection delays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select

from worker.domain.monitoring.account_keys import has_key
from worker.domain.monitoring.explain_next_check import NextCheck, Situation, explain_next_check
from worker.domain.projects.project import Project
from worker.domain.projects.status import KINDS, Kind
from worker.domain.scheduling.durations import ANY_TYPE
from worker.domain.scheduling.pricing import price_of
from worker.domain.scheduling.rate_limit import Limits, RateLimit, refill
from worker.store.counting import count_up_to
from worker.store.engine import clock
from worker.store.models import Account, Lease, RenderDuration, TrackedProject
from worker.store.models.views import DETECTION_DELAYS
from worker.store.monitoring.definitions import is_due
from worker.store.monitoring.job_heartbeats import last_heartbeat, read_heartbeats
from worker.store.projects.mapping import to_project

_MOST_ENDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Timing:
    """A project, its next check, and what determines it."""

    project: Project
    last_check_gap: float | None
    price: float | None
    learned_from: int | None
    learned_at: datetime | None
    next_check: NextCheck


def read_timing(connection: Connection, kind: Kind, project_id: str, limits: Limits, keys: Collection[str]) -> Timing:
    """Return the timing of a tracked project. ``keys`` are the accounts with a key in this process."""
    table: Any = TrackedProject.__table__
    found = select(table).where(table.c.kind == kind, table.c.project_id == project_id)
    row: RowMapping = connection.execute(found).mappings().one()
    account = connection.execute(select(Account).where(Account.name == row["account"])).mappings().one()
    learned = select(RenderDuration.learned_from, RenderDuration.learned_at).limit(1)
    known = connection.execute(
        learned.where(RenderDuration.kind == kind, RenderDuration.type == (row["type"] or ANY_TYPE))
    ).one_or_none()
    project = to_project(row)
    return Timing(
        project=project,
        last_check_gap=row["check_gap"],
        price=account["price"],
        learned_from=known.learned_from if known else None,
        learned_at=known.learned_at if known else None,
        next_check=explain_next_check(project, _situation(connection, row, account, limits, keys)),
    )


def _situation(
    connection: Connection, row: RowMapping, account: RowMapping, limits: Limits, keys: Collection[str]
) -> Situation:
    now = clock(connection)
    beats = read_heartbeats(connection)
    beat, last_dispatch = beats["beat"], beats["dispatch"].at
    begun = select(Lease.begun_at).where(Lease.token == row["lease_token"])
    due = select(TrackedProject.id).where(TrackedProject.account == row["account"], is_due(now))
    rate_limit = refill(RateLimit(account["tokens"], account["refilled_at"], account["rate_factor"]), limits, now)
    return Situation(
        now=now,
        next_check_at=row["next_check_at"],
        has_key=has_key(account["name"], keys, account["refilled_at"], last_dispatch, now) is not False,
        paused_until=account["paused_until"],
        pause_reason=account["pause_reason"],
        pause_detail=account["pause_detail"],
        last_beat=beat.at,
        beat_problem=beat.problem,
        last_dispatch=last_dispatch,
        claimed_at=row["claimed_at"],
        leased_until=row["leased_until"],
        is_begun=row["lease_token"] is not None and connection.scalar(begun) is not None,
        tokens=rate_limit.tokens,
        rate=limits.rate * rate_limit.rate_factor,
        due=count_up_to(connection, due),
    )


@dataclass(frozen=True, slots=True)
class Delays:
    """The estimated detection delays of a type's renders, in seconds."""

    kind: str
    type: str | None
    renders: int
    checks: float
    mean: float
    p50: float
    p95: float
    p99: float


def read_delays(connection: Connection, since: datetime, most: int = _MOST_ENDS) -> list[Delays]:
    """Return the detection delays by type since a time, of at most the latest ``most`` ends."""
    ends = DETECTION_DELAYS.c
    statement = (
        select(ends.kind, ends.type, ends.delay_seconds, ends.checks)
        .where(ends.kind.in_(KINDS), ends.finished_at >= since, ends.delay_seconds.is_not(None))
        .order_by(ends.finished_at.desc())
        .limit(most)
    )
    rows = sorted(connection.execute(statement).all(), key=lambda row: (row.kind, row.type or ""))
    return [_delays(key, list(group)) for key, group in groupby(rows, key=lambda row: (row.kind, row.type))]


def _delays(key: tuple[str, str | None], rows: Sequence[Any]) -> Delays:
    late = sorted(row.delay_seconds for row in rows)
    checks = [row.checks for row in rows if row.checks is not None]

    def percentile(share: float) -> float:
        return float(late[min(len(late) - 1, int(share * len(late)))])

    return Delays(
        *key,
        renders=len(late),
        checks=sum(checks) / max(1, len(checks)),
        mean=sum(late) / len(late),
        p50=percentile(0.5),
        p95=percentile(0.95),
        p99=percentile(0.99),
    )


def read_accounts(connection: Connection, target: float, keys: Collection[str]) -> list[dict[str, Any]]:
    """Return each account's rate limit, price and pause, with the number of its open projects.

    ``keys`` are the accounts with a key in this process; ``has_key`` is whether a worker has it, or None.
    """
    now, last_dispatch = clock(connection), last_heartbeat(connection, "dispatch")
    open_ = (
        select(TrackedProject.account, func.count().label("open_projects"))
        .where(TrackedProject.state.in_(("active", "settling")))
        .group_by(TrackedProject.account)
        .subquery()
    )
    statement = (
        select(Account, func.coalesce(open_.c.open_projects, 0).label("open_projects"))
        .join(open_, open_.c.account == Account.name, isouter=True)
        .order_by(Account.name)
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return [
        row
        | {
            "price": price_of(row["price"], target),
            "has_key": has_key(row["name"], keys, row["refilled_at"], last_dispatch, now),
        }
        for row in rows
    ]
