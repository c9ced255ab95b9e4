"""Rejected tracking requests, kept for an operator to read, correct and retry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from worker.domain.metrics import labels
from worker.store.engine import clock
from worker.store.models import RejectedRequest
from worker.store.monitoring.totals import add_totals

# The oldest beyond these are deleted; so many in one transaction.
MOST_ROWS: Final = 100_000
_BATCH: Final = 10_000
# A request is kept whole up to this length, in bytes of UTF-8.
MOST_KEPT: Final = 64 * 1024
_LONGEST_REASON: Final = 4000
_REJECTED: Final[Any] = RejectedRequest.__table__


def store_rejections(
    connection: Connection,
    rejections: Sequence[tuple[str, str]],
    *,
    rejected: int | None = None,
    rows: Sequence[tuple[int, str | None]] | None = None,
) -> None:
    """Keep rejected requests: pairs of the request and the reason.

    ``rejected`` is how many they count as (default: one each). ``rows`` are the ids that they had in
    ``track_requests``, and the roles that sent them.
    """
    now = clock(connection)
    origins = [(None, None)] * len(rejections) if rows is None else rows
    values = [
        {
            "request": _cut(request, MOST_KEPT),
            "request_bytes": len(request.encode("utf-8", "replace")),
            "reason": _cut(reason, _LONGEST_REASON),
            "rejected_at": now,
            "track_request_id": row,
            "sent_by": sent_by,
        }
        for (request, reason), (row, sent_by) in zip(rejections, origins, strict=True)
    ]
    if values:
        connection.execute(insert(_REJECTED), values)
        add_totals(connection, {("requests_rejected", labels()): len(values) if rejected is None else rejected})


def _cut(text: str, most: int) -> str:
    """Return text that every database can store, cut to a number of bytes of UTF-8."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def list_rejections(
    connection: Connection, limit: int = 50, before: int | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Return rejected requests, newest first; ``before`` is the id to start below."""
    statement = select(_REJECTED).order_by(_REJECTED.c.id.desc()).limit(limit)
    if since is not None:
        statement = statement.where(_REJECTED.c.rejected_at >= since)
    if before is not None:
        statement = statement.where(_REJECTED.c.id < before)
    return [_row(row) for row in connection.execute(statement).mappings()]


def read_rejection(connection: Connection, number: int) -> dict[str, Any] | None:
    """Return one rejected request; None if there is none with this id."""
    row = connection.execute(select(_REJECTED).where(_REJECTED.c.id == number)).mappings().one_or_none()
    return None if row is None else _row(row)


def _row(row: Any) -> dict[str, Any]:  # noqa: ANN401  a mapping of SQLAlchemy's
    # Rows of an earlier version were cut at 4,000 characters without a mark.
    size = row["request_bytes"]
    kept = len(row["request"].encode())
    return {**row, "request_bytes": kept if size is None else size, "is_cut": size is not None and size > kept}


def change_reason(connection: Connection, number: int, reason: str) -> None:
    """Record why a request was rejected again."""
    connection.execute(update(_REJECTED).where(_REJECTED.c.id == number).values(reason=_cut(reason, _LONGEST_REASON)))


def delete_rejections(
    connection: Connection, numbers: Sequence[int] | None = None, *, before: datetime | None = None
) -> int:
    """Delete rejected requests: those with these ids (None: all), rejected before a time. Returns how many."""
    statement = delete(_REJECTED)
    if numbers is not None:
        statement = statement.where(_REJECTED.c.id.in_(numbers))
    if before is not None:
        statement = statement.where(_REJECTED.c.rejected_at < before)
    return connection.execute(statement).rowcount


def delete_excess(connection: Connection, most: int = MOST_ROWS) -> int:
    """Delete the oldest beyond ``most`` rejected requests, at most 10,000 at once. Returns how many."""
    number = _REJECTED.c.id
    newest_excess = select(number).order_by(number.desc()).offset(most).limit(1).scalar_subquery()
    oldest = select(number).where(number <= newest_excess).order_by(number).limit(_BATCH)
    return connection.execute(delete(_REJECTED).where(number.in_(oldest))).rowcount


def count_rejections(connection: Connection) -> int:
    """Return how many rejected requests are kept."""
    return int(connection.scalar(select(func.count()).select_from(_REJECTED)) or 0)
