"""Reading why and when projects are checked, and how late their ends were seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, func, select, text

from worker.domain.durations import ANY_TYPE
from worker.domain.pricing import price_of
from worker.domain.project import Project
from worker.domain.status import Kind
from worker.store.models import Account, RenderDuration, TrackedProject
from worker.store.rows import to_project

_MOST_ENDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Timing:
    """A project, when it is next checked, and what that was decided by."""

    project: Project
    last_check_gap: float | None
    next_check_at: datetime | None
    leased_until: datetime | None
    price: float
    paused_until: datetime | None
    pause_reason: str | None
    learned_from: int | None
    learned_at: datetime | None


def read_timing(connection: Connection, kind: Kind, project_id: str, target: float) -> Timing:
    """Return the timing of a project that is known."""
    table: Any = TrackedProject.__table__
    found = select(table).where(table.c.kind == kind, table.c.project_id == project_id)
    row: RowMapping = connection.execute(found).mappings().one()
    account = connection.execute(select(Account).where(Account.name == row["account"])).mappings().one()
    learned = select(RenderDuration.learned_from, RenderDuration.learned_at).limit(1)
    known = connection.execute(
        learned.where(RenderDuration.kind == kind, RenderDuration.type == (row["type"] or ANY_TYPE))
    ).one_or_none()
    return Timing(
        project=to_project(row),
        last_check_gap=row["check_gap"],
        next_check_at=row["next_check_at"],
        leased_until=row["leased_until"],
        price=price_of(account["price"], target),
        paused_until=account["paused_until"],
        pause_reason=account["pause_reason"],
        learned_from=known.learned_from if known else None,
        learned_at=known.learned_at if known else None,
    )


@dataclass(frozen=True, slots=True)
class Delays:
    """How late the ends of a type's renders were seen, in seconds: estimates, for each end lies within an interval."""

    kind: str
    type: str | None
    renders: int
    checks: float
    mean: float
    p50: float
    p95: float
    p99: float


def read_delays(connection: Connection, since: datetime, most: int = _MOST_ENDS) -> list[Delays]:
    """Return the detection delay of each type, of what finished since a time; of ``most`` of the latest ends."""
    statement = text(
        "SELECT kind, type, delay_seconds, checks FROM detection_delays WHERE kind IN ('video', 'image', 'audio')"
        " AND finished_at >= :since AND delay_seconds IS NOT NULL ORDER BY finished_at DESC LIMIT :most"
    ).bindparams(bindparam("since", since, type_=TrackedProject.finished_at.type), most=most)
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


def read_accounts(connection: Connection, target: float) -> list[dict[str, Any]]:
    """Return each account's allowance, price and pause, with the number of its open projects."""
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
    return [row | {"price": price_of(row["price"], target)} for row in rows]
