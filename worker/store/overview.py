"""How things stand and how they went, for people who look. Every number is of a bounded time, or of what is open."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Integer,
    case,
    cast,
    column,
    func,
    select,
    table,
    text,
)

from worker.domain.status import KINDS
from worker.store.engine import clock
from worker.store.heartbeat import last_beat
from worker.store.models import Account, CreditAdjustment, Delivery, RequestMinute, TrackedProject
from worker.store.types import UtcDateTime

_TABLE: Final[Any] = TrackedProject.__table__
_DELAYS: Final = table(
    "detection_delays", column("kind"), column("finished_at", UtcDateTime), column("delay_seconds", Double)
)
_OPEN: Final = ("active", "settling")
_MANY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at any page should tell. Numbers stop at 10,000. ``oldest_due`` is when it came due."""

    now: datetime
    active: int
    settling: int
    due: int
    oldest_due: datetime | None
    pending_deliveries: int
    dead_deliveries: int
    paused_accounts: int
    last_dispatch: datetime | None


def read_health(connection: Connection) -> Health:
    """Return how things stand now."""
    now = clock(connection)
    due = _TABLE.c.next_check_at
    accounts = connection.execute(select(Account.name, Account.paused_until)).all()
    # One short look for each account, so that the index by account and time serves it.
    oldest = [
        connection.scalar(select(func.min(due)).where(_TABLE.c.account == row.name, due <= now)) for row in accounts
    ]
    return Health(
        now=now,
        active=_count(connection, _TABLE, _TABLE.c.state == "active"),
        settling=_count(connection, _TABLE, _TABLE.c.state == "settling"),
        due=_count(connection, _TABLE, _TABLE.c.account.in_([row.name for row in accounts]), due <= now),
        oldest_due=min((moment for moment in oldest if moment), default=None),
        pending_deliveries=_count(connection, Delivery, Delivery.state == "pending"),
        dead_deliveries=_count(connection, Delivery, Delivery.state == "dead"),
        paused_accounts=sum(row.paused_until is not None for row in accounts),
        last_dispatch=last_beat(connection, "dispatch"),
    )


def _count(connection: Connection, of: Any, *conditions: ColumnElement[bool]) -> int:  # noqa: ANN401  table or model
    some = select(of).with_only_columns(text("1")).where(*conditions).limit(_MANY).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def open_by_status(connection: Connection) -> list[tuple[str, str | None, int]]:
    """Return the number of open projects of each state and status."""
    columns = (_TABLE.c.state, _TABLE.c.status)
    statement = select(*columns, func.count()).where(_TABLE.c.state.in_(_OPEN)).group_by(*columns)
    found = [(row[0], row[1], row[2]) for row in connection.execute(statement)]
    return sorted(found, key=lambda row: (row[0], -row[2]))


def bucket(connection: Connection, moment: Any, seconds: int) -> ColumnElement[Any]:  # noqa: ANN401  a column of times
    """Return the start of the span of time in which a moment falls; ``unix`` reads it."""
    if connection.dialect.name == "sqlite":
        second: ColumnElement[int] = cast(func.strftime("%s", moment), Integer)
        return second - second % seconds
    return func.date_bin(timedelta(seconds=seconds), moment, datetime.fromtimestamp(0, UTC))


def unix(start: int | datetime) -> int:
    """Return the Unix time of a start that ``bucket`` gave."""
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
    return [(unix(row[0]), row[1], row[2]) for row in connection.execute(statement)]


def delay_by_span(connection: Connection, since: datetime, seconds: int) -> dict[int, float]:
    """Return the mean seconds that ends within each span went unseen: an end is in the middle of where it can be."""
    span = bucket(connection, _DELAYS.c.finished_at, seconds)
    late = func.avg(_DELAYS.c.delay_seconds)
    statement = select(span, late).where(_DELAYS.c.kind.in_(KINDS), _DELAYS.c.finished_at >= since).group_by(span)
    return {unix(row[0]): float(row[1]) for row in connection.execute(statement)}


def requests_by_minute(connection: Connection, since: datetime) -> dict[int, int]:
    """Return the number of requests that all accounts together were allowed, by Unix time of the minute."""
    statement = select(RequestMinute.minute, func.sum(RequestMinute.requests)).where(RequestMinute.minute >= since)
    rows = connection.execute(statement.group_by(RequestMinute.minute))
    return {int(row[0].timestamp()): int(row[1]) for row in rows}


def credits_since(connection: Connection, since: datetime) -> tuple[int, int]:
    """Return what was spent and what came back since a time, both as positive numbers."""
    amount = CreditAdjustment.amount
    spent = func.coalesce(func.sum(case((amount > 0, amount), else_=0)), 0)
    back = func.coalesce(func.sum(case((amount < 0, -amount), else_=0)), 0)
    row = connection.execute(select(spent, back).where(CreditAdjustment.observed_at >= since)).one()
    return int(row[0]), int(row[1])
