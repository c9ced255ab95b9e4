"""Tracking requests that other services send in SQL, in their own transactions.

Rows of transactions that have not committed are invisible here, and locked rows are skipped: nobody waits for a caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, LargeBinary, cast, delete, exists, or_, select, text, update

from worker.store.counting import count_up_to
from worker.store.engine import clock
from worker.store.models import SqlTrackRequest
from worker.store.types import Now

_ROWS: Final[Any] = SqlTrackRequest.__table__
_IS_DUE: Final = or_(_ROWS.c.retry_at.is_(None), _ROWS.c.retry_at <= Now())
IS_ANY_DUE: Final = exists(select(_ROWS.c.id).where(_IS_DUE))
# Much shorter than elsewhere: dispatch takes these rows in, and must not wait for a lock that somebody else holds.
_LOCK_TIMEOUT_MS: Final = 100
_RETRY_AFTER: Final = timedelta(seconds=60)
_LONGEST_PROBLEM: Final = 300


@dataclass(frozen=True, slots=True)
class SentRow:
    """A row as it was sent: the request as JSON in UTF-8, and the role that sent it."""

    id: int
    request: bytes
    sent_by: str | None


def due_rows(connection: Connection, most: int) -> list[int]:
    """Return the ids of the oldest rows that wait and are due."""
    return list(connection.scalars(select(_ROWS.c.id).where(_IS_DUE).order_by(_ROWS.c.id).limit(most)))


def lock_rows(connection: Connection, ids: Sequence[int]) -> list[SentRow]:
    """Lock rows until the end of the transaction, without those that another transaction has locked or deleted.

    From then on, the transaction waits only briefly for other locks.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
    columns = [_ROWS.c.request, _ROWS.c.sent_by]
    if connection.dialect.name == "sqlite":
        # SQLite stores anything in any column. As bytes, nothing of it can fail to be read.
        columns = [cast(column, LargeBinary) for column in columns]
    statement = select(_ROWS.c.id, *columns).where(_ROWS.c.id.in_(ids)).order_by(_ROWS.c.id)
    rows = connection.execute(statement.with_for_update(skip_locked=True))
    return [SentRow(id_, _bytes(request), _text(sent_by)) for id_, request, sent_by in rows]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace")[:200] if isinstance(value, bytes) else value


def delete_rows(connection: Connection, ids: Sequence[int]) -> None:
    """Delete rows: they are tracked or rejected."""
    connection.execute(delete(_ROWS).where(_ROWS.c.id.in_(ids)))


def postpone_row(connection: Connection, id_: int, problem: str) -> None:
    """Leave a row for a minute, and record why."""
    retry_at = clock(connection) + _RETRY_AFTER
    values = {"retry_at": retry_at, "problem": problem[:_LONGEST_PROBLEM]}
    connection.execute(update(_ROWS).where(_ROWS.c.id == id_).values(values))


def count_rows(connection: Connection, *, postponed: bool = False) -> int:
    """Return how many rows wait, at most 10,000; ``postponed``: only those that could not be stored."""
    rows = select(_ROWS.c.id)
    return count_up_to(connection, rows.where(_ROWS.c.problem.is_not(None)) if postponed else rows)
