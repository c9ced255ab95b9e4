"""Where credits went, and what went wrong, over a time."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, func, select

from worker.domain.status import KINDS
from worker.store.models import CreditAdjustment, TrackedProject
from worker.store.overview import bucket

_MOST_GROUPS: Final = 50
_ENTRY = CreditAdjustment
_PROJECT: Final[Any] = TrackedProject.__table__
_SPENT: Final[Any] = func.sum(case((_ENTRY.amount > 0, _ENTRY.amount), else_=0)).label("spent")
_BACK: Final[Any] = func.sum(case((_ENTRY.amount < 0, -_ENTRY.amount), else_=0)).label("back")


def spend_by_span(connection: Connection, since: datetime, seconds: int) -> dict[int, tuple[int, int]]:
    """Return what was spent and what came back within each span, by its Unix time."""
    span = bucket(connection, _ENTRY.observed_at, seconds)
    statement = select(span, _SPENT, _BACK).where(_ENTRY.observed_at >= since).group_by(span)
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(statement)}


def spend_by_type(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return what each kind and type spent and got back, the greatest spender first."""
    return _grouped(connection, since, {"kind": _PROJECT.c.kind, "type": _PROJECT.c.type})


def spend_by_account(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return what each account spent and got back."""
    return _grouped(connection, since, {"account": _PROJECT.c.account})


def spend_by_metadata(connection: Connection, since: datetime, key: str) -> list[dict[str, Any]]:
    """Return what was spent and came back for each value of a metadata key, the greatest 50."""
    return _grouped(connection, since, {"value": cast(_PROJECT.c.metadata[key].as_string(), String)})


def _grouped(connection: Connection, since: datetime, by: dict[str, Any]) -> list[dict[str, Any]]:
    columns = [column.label(name) for name, column in by.items()]
    statement = (
        select(*columns, _SPENT, _BACK, func.count(_PROJECT.c.id.distinct()).label("projects"))
        .join_from(_ENTRY, _PROJECT, _PROJECT.c.id == _ENTRY.tracked_project_id)
        .where(_ENTRY.observed_at >= since)
        .group_by(*by.values())
        .order_by(_SPENT.desc())
        .limit(_MOST_GROUPS)
    )
    rows = connection.execute(statement).mappings()
    return [{**row, "spent": int(row["spent"]), "back": int(row["back"])} for row in rows]


def metadata_keys(connection: Connection) -> list[str]:
    """Return the metadata keys of the latest projects, for suggestions."""
    latest = select(_PROJECT.c.metadata).order_by(_PROJECT.c.id.desc()).limit(200)
    return sorted({key for row in connection.scalars(latest) for key in row})[:_MOST_GROUPS]


def outstanding(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return the failed and canceled projects that still cost something, by account and status."""
    columns = (_PROJECT.c.account, _PROJECT.c.status)
    statement = (
        select(*columns, func.count().label("projects"), func.sum(_PROJECT.c.credits_charged).label("credits"))
        .where(_PROJECT.c.kind.in_(KINDS), _PROJECT.c.finished_at >= since)
        .where(_PROJECT.c.status.in_(("error", "canceled")), _PROJECT.c.credits_charged > 0)
        .group_by(*columns)
        .order_by(*columns)
    )
    return [{**row, "credits": int(row["credits"])} for row in connection.execute(statement).mappings()]


def _failed(since: datetime) -> ColumnElement[bool]:
    return and_(_PROJECT.c.status == "error", _PROJECT.c.finished_at >= since)


def failures_by_code(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return how many projects failed with each error code, when first and last, and what one of them said."""
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
    return [(row[0], row[1], row[2]) for row in rows]


def problems_now(connection: Connection) -> list[dict[str, Any]]:
    """Return what keeps open projects from being checked well, and how many it concerns."""
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
