"""Numbers for the dashboard. Each covers a limited period, or only open projects."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    case,
    cast,
    func,
    select,
)

from worker.domain.projects.status import KINDS
from worker.store.ledger.bounded_amounts import bounded
from worker.store.models import CreditAdjustment, RequestMinute, TrackedProject
from worker.store.models.views import DETECTION_DELAYS

_TABLE: Final[Any] = TrackedProject.__table__
_DELAYS: Final = DETECTION_DELAYS
_OPEN: Final = ("active", "settling")


def open_by_status(connection: Connection) -> list[tuple[str, str | None, int]]:
    """Return the number of open projects of each state and status."""
    columns = (_TABLE.c.state, _TABLE.c.status)
    count = func.count().label("projects")
    statement = (
        select(*columns, count).where(_TABLE.c.state.in_(_OPEN)).group_by(*columns).order_by("state", count.desc())
    )
    return [(row.state, row.status, row.projects) for row in connection.execute(statement)]


def bucket(connection: Connection, moment: Any, seconds: int) -> ColumnElement[Any]:  # noqa: ANN401  a column of times
    """Return the start of the span in which a moment falls; convert it with ``unix``."""
    if connection.dialect.name == "sqlite":
        second: ColumnElement[int] = cast(func.strftime("%s", moment), Integer)
        return second - second % seconds
    return func.date_bin(timedelta(seconds=seconds), moment, datetime.fromtimestamp(0, UTC))


def unix(start: int | datetime) -> int:
    """Return the Unix time of a result of ``bucket``."""
    return start if isinstance(start, int) else int(start.timestamp())


def spans(since: datetime, until: datetime, seconds: int) -> list[int]:
    """Return the Unix times of the starts of all spans between two moments."""
    first = int(since.timestamp()) // seconds * seconds
    return list(range(first, int(until.timestamp()) + 1, seconds))


def finished_by_span(connection: Connection, since: datetime, seconds: int) -> list[tuple[int, str, int]]:
    """Return the number of projects that finished within each span, by status."""
    span = bucket(connection, _TABLE.c.finished_at, seconds)
    statement = (
        select(span, _TABLE.c.status, func.count())
        .where(_TABLE.c.kind.in_(KINDS), _TABLE.c.finished_at >= since)
        .group_by(span, _TABLE.c.status)
    )
    return [(unix(start), status, count) for start, status, count in connection.execute(statement)]


def mean_delay(connection: Connection, since: datetime) -> float | None:
    """Return the mean detection delay in seconds, of all ends since a time (not a mean of hourly means)."""
    known = _DELAYS.c.delay_seconds.is_not(None)
    statement = select(func.avg(_DELAYS.c.delay_seconds)).where(_DELAYS.c.kind.in_(KINDS), known)
    mean = connection.scalar(statement.where(_DELAYS.c.finished_at >= since))
    return None if mean is None else float(mean)


def delay_by_span(connection: Connection, since: datetime, seconds: int) -> dict[int, float]:
    """Return the mean detection delay in seconds of the ends within each span."""
    span = bucket(connection, _DELAYS.c.finished_at, seconds)
    late = func.avg(_DELAYS.c.delay_seconds)
    # Ends recorded by earlier versions have no estimate.
    known = _DELAYS.c.delay_seconds.is_not(None)
    statement = select(span, late).where(_DELAYS.c.kind.in_(KINDS), _DELAYS.c.finished_at >= since, known)
    return {unix(start): float(mean) for start, mean in connection.execute(statement.group_by(span))}


def requests_by_minute(connection: Connection, since: datetime) -> dict[int, int]:
    """Return the number of requests granted to all accounts together, by Unix time of the minute."""
    statement = select(RequestMinute.minute, func.sum(RequestMinute.requests)).where(RequestMinute.minute >= since)
    rows = connection.execute(statement.group_by(RequestMinute.minute))
    return {int(minute.timestamp()): int(requests) for minute, requests in rows}


def credits_since(connection: Connection, since: datetime) -> tuple[int, int]:
    """Return the credits spent and refunded since a time, both as positive numbers."""
    amount = bounded(CreditAdjustment.amount)
    spent = func.coalesce(func.sum(case((amount > 0, amount), else_=0)), 0)
    back = func.coalesce(func.sum(case((amount < 0, -amount), else_=0)), 0)
    row = connection.execute(
        select(spent.label("spent"), back.label("refunded")).where(CreditAdjustment.observed_at >= since)
    ).one()
    return int(row.spent), int(row.refunded)
