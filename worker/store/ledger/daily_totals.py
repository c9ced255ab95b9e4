"""Daily totals of past days, spend reports, and outstanding refunds."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Select,
    Text,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    table,
    update,
)

from worker.store.engine import clock
from worker.store.ledger.bounded_amounts import bounded
from worker.store.models import ClosedDays, CreditAdjustment, CreditDailyTotal, TrackedProject

# The dimensions of a report, besides a metadata key.
DIMENSIONS: Final = ("day", "month", "account", "kind", "type")
_DAYS_AT_ONCE: Final = 31
# By then, every transaction that recorded something before midnight has ended.
_GRACE: Final = timedelta(hours=1)
# The ledger's reasons by the column of the totals in which they count.
_CHARGED: Final = ("charge", "estimate")
_CORRECTED: Final = ("final", "correction")
_REFUNDED: Final = ("refund",)
_SUMS: Final = ("entries", "charged_credits", "corrected_credits", "refunded_credits", "net_credits")
# The readers' views on which reports are based.
_DAILY: Final = table(
    "credit_spend_daily",
    column("day", Date),
    *(column(name) for name in ("account", "kind", "type", *_SUMS)),
)
_KEYED: Final = table(
    "credit_ledger_metadata",
    *(column(name) for name in ("key", "value", "account", "kind", "type", "observed_at", "reason", "amount_credits")),
)
_OUTSTANDING: Final = table("refunds_outstanding", column("outstanding_credits"))


def close_days(connection: Connection) -> int:
    """Close the next past days, at most a month. Returns how many; 0 means that all are closed."""
    until: date = connection.execute(select(ClosedDays.booked_until).with_for_update()).scalar_one()
    over = (clock(connection) - _GRACE).date()
    first = connection.scalar(
        select(func.min(CreditAdjustment.observed_at)).where(CreditAdjustment.observed_at >= _start(connection, until))
    )
    begin = over if first is None else min(first.date(), over)
    end = min(begin + timedelta(days=_DAYS_AT_ONCE), over)
    if end <= until:
        return 0
    _close(connection, begin, end)
    connection.execute(update(ClosedDays).values(booked_until=end))
    return (end - until).days


def closed_until(connection: Connection) -> date:
    """Return the first day that is not closed."""
    return connection.execute(select(ClosedDays.booked_until)).scalar_one()


def _start(connection: Connection, day: date) -> datetime:
    """Return the midnight at which a day starts, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=clock(connection).tzinfo)


def sums_by_day() -> Select[Any]:
    """Return the query that sums ledger entries by day, account, kind and type; the caller selects the entries.

    Its further columns are the number of entries, and the credits charged, corrected and refunded.
    """
    entry, project = CreditAdjustment, TrackedProject
    sums = (
        func.sum(_of(reasons, entry.reason, bounded(entry.amount))) for reasons in (_CHARGED, _CORRECTED, _REFUNDED)
    )
    groups = (func.date(entry.observed_at), project.account, project.kind, func.coalesce(project.type, ""))
    joined = select(*groups, func.count(), *sums).join(project, project.id == entry.tracked_project_id)
    return joined.group_by(*groups)


def _of(reasons: Sequence[str], reason: Any, amount: Any) -> ColumnElement[Any]:  # noqa: ANN401  columns
    """Return the amount of an entry with one of these reasons, otherwise 0."""
    return case((reason.in_(reasons), amount), else_=0)


def _close(connection: Connection, begin: date, end: date) -> None:
    observed_at = CreditAdjustment.observed_at
    totals = sums_by_day().where(observed_at >= _start(connection, begin), observed_at < _start(connection, end))
    names = [column.name for column in CreditDailyTotal.__table__.columns]
    connection.execute(insert(CreditDailyTotal).from_select(names, totals))


def spend(
    connection: Connection,
    by: Sequence[str],
    since: date | None = None,
    until: date | None = None,
    metadata_key: str | None = None,
) -> list[dict[str, Any]]:
    """Return what was spent from one day to before another, by dimensions and optionally by a metadata key.

    With a key, only projects that have it and that retention has not removed count. Raises ValueError for an unknown
    dimension.
    """
    unknown = set(by) - set(DIMENSIONS)
    if unknown:
        raise ValueError(f"unknown dimension {', '.join(sorted(unknown))}")
    source = _DAILY if metadata_key is None else _entries_with(metadata_key)
    names = [*(["value"] if metadata_key is not None else []), *by]
    groups = [_dimension(source.c, name) for name in names]
    sums = [func.coalesce(func.sum(source.c[name]), 0).label(name) for name in _SUMS]
    within = (source.c.day >= (since or date.min), source.c.day < (until or date.max))
    rows = connection.execute(select(*groups, *sums).where(*within).group_by(*groups).order_by(*groups)).mappings()
    return [dict(row) | {name: int(row[name]) for name in _SUMS} for row in rows]


def _dimension(columns: Any, name: str) -> ColumnElement[Any]:  # noqa: ANN401  the columns of a selectable
    if name in {"day", "month"}:
        # On every database, the first ten characters of a day are the date, and the first seven the month.
        return func.substr(cast(columns.day, Text), 1, 10 if name == "day" else 7).label(name)
    found: ColumnElement[Any] = columns[name]
    return found


def _entries_with(metadata_key: str) -> FromClause:
    """Return the ledger entries of projects that have a metadata key, with the columns of the daily view."""
    entry, amount = _KEYED.c, bounded(_KEYED.c.amount_credits)

    return (
        select(
            *(entry.value, entry.account, entry.kind, entry.type),
            func.date(entry.observed_at, type_=Date).label("day"),
            literal(1).label("entries"),
            _of(_CHARGED, entry.reason, amount).label("charged_credits"),
            _of(_CORRECTED, entry.reason, amount).label("corrected_credits"),
            _of(_REFUNDED, entry.reason, amount).label("refunded_credits"),
            amount.label("net_credits"),
        )
        .where(entry.key == metadata_key)
        .subquery()
    )


def refunds_outstanding(connection: Connection) -> dict[str, int]:
    """Return the number of failed and canceled projects that still cost something, and their credits."""
    credits_ = func.coalesce(func.sum(_OUTSTANDING.c.outstanding_credits), 0)
    row = connection.execute(select(func.count().label("projects"), credits_.label("credits"))).one()
    return {"projects": int(row.projects), "credits": int(row.credits)}
