"""Reports of spending and failures over a period."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from worker.store.ledger.bounded_amounts import bounded
from worker.store.models import CreditAdjustment, TrackedProject
from worker.store.monitoring.overview import bucket, unix

_MOST_GROUPS: Final = 50
_MOST_ROWS: Final = 50_000
_ENTRY = CreditAdjustment
_PROJECT: Final[Any] = TrackedProject.__table__
_SPENT: Final[Any] = func.sum(case((_ENTRY.amount > 0, bounded(_ENTRY.amount)), else_=0)).label("spent")
_BACK: Final[Any] = func.sum(case((_ENTRY.amount < 0, -bounded(_ENTRY.amount)), else_=0)).label("back")
_FIRST: Final[Any] = func.sum(case((_ENTRY.sequence == 1, 1), else_=0)).label("projects")


def read_spend(connection: Connection, since: datetime, seconds: int) -> list[dict[str, Any]]:
    """Return what was spent and refunded since a time, by span (its Unix time), account, kind and type.

    ``projects`` counts those whose first price falls into the span.
    """
    by = {"span": bucket(connection, _ENTRY.observed_at, seconds)}
    rows = _grouped(connection, since, by | {name: _PROJECT.c[name] for name in ("account", "kind", "type")})
    return [{**row, "span": unix(row["span"])} for row in rows]


def _grouped(connection: Connection, since: datetime, by: dict[str, Any]) -> list[dict[str, Any]]:
    columns = [column.label(name) for name, column in by.items()]
    wanted = _ENTRY.observed_at >= since
    # A condition on the projects too, so that the database reads only a part of them.
    # The "+ 0" prevents a walk along the index by project, past all older entries.
    oldest = connection.scalar(select(func.min(_ENTRY.tracked_project_id + 0)).where(wanted)) or 0
    statement = (
        select(*columns, _SPENT, _BACK, _FIRST)
        .join_from(_ENTRY, _PROJECT, _PROJECT.c.id == _ENTRY.tracked_project_id)
        .where(wanted, _PROJECT.c.id >= oldest)
        .group_by(*columns)
        .limit(_MOST_ROWS)
    )
    rows = connection.execute(statement).mappings()
    return [{**row, "spent": int(row["spent"]), "back": int(row["back"])} for row in rows]


def summed(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows of read_spend summed by some of their columns, largest first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        entry = found.setdefault(key, {**dict(zip(names, key, strict=True)), "spent": 0, "back": 0, "projects": 0})
        for name in ("spent", "back", "projects"):
            entry[name] += row[name]
    return sorted(found.values(), key=lambda entry: -entry["spent"])


def metadata_keys(connection: Connection) -> list[str]:
    """Return the metadata keys of the latest projects, for suggestions."""
    latest = select(_PROJECT.c.metadata).order_by(_PROJECT.c.id.desc()).limit(200)
    return sorted({key for row in connection.scalars(latest) for key in row})[:_MOST_GROUPS]


def outstanding(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return the failed and canceled projects that still cost something, by account and status."""
    columns = (_PROJECT.c.account, _PROJECT.c.status)
    statement = (
        select(*columns, func.count().label("projects"), func.sum(_PROJECT.c.credits_charged).label("credits"))
        .where(_PROJECT.c.status.in_(("error", "canceled")), _PROJECT.c.finished_at >= since)
        .where(_PROJECT.c.credits_charged > 0)
        .group_by(*columns)
        .order_by(*columns)
    )
    return [{**row, "credits": int(row["credits"])} for row in connection.execute(statement).mappings()]


def _failed(since: datetime) -> ColumnElement[bool]:
    return and_(_PROJECT.c.status == "error", _PROJECT.c.finished_at >= since)


def count_failures(connection: Connection, since: datetime) -> int:
    """Return how many projects failed."""
    return connection.scalar(select(func.count()).select_from(_PROJECT).where(_failed(since))) or 0


def failures_by_code(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return how many projects failed with each of the 50 commonest error codes, with times and an example message."""
    code = _PROJECT.c.error_code
    statement = (
        select(
            code.label("code"),
            func.count().label("projects"),
            func.min(_PROJECT.c.finished_at).label("first"),
            func.max(_PROJECT.c.finished_at).label("last"),
            func.max(_PROJECT.c.error_message).label("message"),
            func.count(_PROJECT.c.type.distinct()).label("types"),
        )
        .where(_failed(since))
        .group_by(code)
        .order_by(func.count().desc())
        .limit(_MOST_GROUPS)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def failures_by_span(connection: Connection, since: datetime, seconds: int) -> list[tuple[int, str | None, int]]:
    """Return the number of failures with each error code within each span."""
    span = bucket(connection, _PROJECT.c.finished_at, seconds)
    statement = select(span, _PROJECT.c.error_code, func.count()).where(_failed(since))
    rows = connection.execute(statement.group_by(span, _PROJECT.c.error_code))
    return [(unix(start), code, count) for start, code, count in rows]


def problems_now(connection: Connection) -> list[dict[str, Any]]:
    """Return the reasons why checks of open projects fail, and the number of projects."""
    problem = _PROJECT.c.last_problem
    statement = (
        select(
            problem.label("problem"), func.count().label("projects"), func.max(_PROJECT.c.failure_count).label("most")
        )
        .where(_PROJECT.c.state.in_(("active", "settling")), problem.is_not(None), _PROJECT.c.failure_count > 0)
        .group_by(problem)
        .order_by(func.count().desc())
    )
    return [dict(row) for row in connection.execute(statement).mappings()]
