"""The books: days of the ledger that are over, what was spent, and what should have come back."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, case, func, insert, select, text, update

from worker.store.engine import clock
from worker.store.models import Books, CreditAdjustment, CreditDailyTotal, TrackedProject

# What a report may be grouped by, beside a metadata key.
DIMENSIONS: Final = ("day", "month", "account", "kind", "type")
_DAYS_AT_ONCE: Final = 31
# A transaction that recorded something before midnight has long ended by then.
_GRACE: Final = timedelta(hours=1)
_SUMS: Final = ("entries", "charged_credits", "corrected_credits", "refunded_credits", "net_credits")


def book_days(connection: Connection) -> int:
    """Book the next days that are over, at most a month of them. Returns how many; 0 means the books are up to date."""
    until: date = connection.execute(select(Books.booked_until).with_for_update()).scalar_one()
    over = (clock(connection) - _GRACE).date()
    first = connection.scalar(
        select(func.min(CreditAdjustment.observed_at)).where(CreditAdjustment.observed_at >= _start(connection, until))
    )
    begin = over if first is None else min(first.date(), over)
    end = min(begin + timedelta(days=_DAYS_AT_ONCE), over)
    if end <= until:
        return 0
    _book(connection, begin, end)
    connection.execute(update(Books).values(booked_until=end))
    return (end - until).days


def booked_until(connection: Connection) -> date:
    """Return the first day that is not booked."""
    return connection.execute(select(Books.booked_until)).scalar_one()


def _start(connection: Connection, day: date) -> datetime:
    """Return the midnight at which a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=clock(connection).tzinfo)


def _book(connection: Connection, begin: date, end: date) -> None:
    entry, project = CreditAdjustment, TrackedProject

    def total(*reasons: str) -> Any:  # noqa: ANN401  an SQL expression
        return func.sum(case((entry.reason.in_(reasons), entry.amount), else_=0))

    groups = (func.date(entry.observed_at), project.account, project.kind, func.coalesce(project.type, ""))
    totals = (
        select(*groups, func.count(), total("charge", "estimate"), total("final", "correction"), total("refund"))
        .join(project, project.id == entry.tracked_project_id)
        .where(entry.observed_at >= _start(connection, begin), entry.observed_at < _start(connection, end))
        .group_by(*groups)
    )
    names = [column.name for column in CreditDailyTotal.__table__.columns]
    connection.execute(insert(CreditDailyTotal).from_select(names, totals))


def spend(
    connection: Connection,
    by: Sequence[str],
    since: date | None = None,
    until: date | None = None,
    metadata_key: str | None = None,
) -> list[dict[str, Any]]:
    """Return what was spent from one day to before another, by dimensions and perhaps by the value of a metadata key.

    With a key only projects that have it count, and that retention has not removed. Raises ValueError for an unknown
    dimension.
    """
    unknown = set(by) - set(DIMENSIONS)
    if unknown:
        raise ValueError(f"there is no dimension {', '.join(sorted(unknown))}")
    columns = ["value"] if metadata_key is not None else []
    columns += by
    parameters: dict[str, Any] = {
        "since": (since or date.min).isoformat(),
        "until": (until or date.max).isoformat(),
        "key": metadata_key,
    }
    source = _KEYED if metadata_key is not None else "credit_spend_daily"
    groups = ", ".join(_EXPRESSIONS.get(column, column) for column in columns)
    named = "".join(f"{_EXPRESSIONS.get(column, column)} AS {column}, " for column in columns)
    sums = ", ".join(f"CAST(coalesce(sum({column}), 0) AS bigint) AS {column}" for column in _SUMS)
    within = _WITHIN[connection.dialect.name]
    statement = f"SELECT {named}{sums} FROM {source} s WHERE {within}"  # noqa: S608  our own words
    if groups:
        statement += f" GROUP BY {groups} ORDER BY {groups}"
    used = {name: value for name, value in parameters.items() if f":{name}" in statement}
    return [dict(row) for row in connection.execute(text(statement), used).mappings()]


# The first ten characters of a day or a time are the day, on every database; sessions of ours are in UTC.
_EXPRESSIONS: Final = {"day": "CAST(day AS text)", "month": "substr(CAST(day AS text), 1, 7)"}
_WITHIN: Final = {
    "postgresql": "day >= CAST(:since AS date) AND day < CAST(:until AS date)",
    "sqlite": "day >= :since AND day < :until",
}
_KEYED: Final = """(
  SELECT value, account, kind, type, date(observed_at) AS day, 1 AS entries, amount_credits AS net_credits,
    CASE WHEN reason IN ('charge', 'estimate') THEN amount_credits ELSE 0 END AS charged_credits,
    CASE WHEN reason IN ('final', 'correction') THEN amount_credits ELSE 0 END AS corrected_credits,
    CASE WHEN reason = 'refund' THEN amount_credits ELSE 0 END AS refunded_credits
  FROM credit_ledger_metadata WHERE key = :key)"""


def refunds_outstanding(connection: Connection) -> dict[str, int]:
    """Return how many failed and canceled projects still cost something, and how many credits."""
    query = "SELECT count(*) AS projects, coalesce(sum(outstanding_credits), 0) AS credits FROM refunds_outstanding"
    row = connection.execute(text(query)).mappings().one()
    return {"projects": int(row["projects"]), "credits": int(row["credits"])}
