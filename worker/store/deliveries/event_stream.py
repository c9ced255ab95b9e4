"""What waiting clients need to see changes: a few cheap queries, however many clients there are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select, text, tuple_

from worker.domain.batches import batched
from worker.store.models import CreditAdjustment, Event, OperatorAction, StatusTransition, TrackedProject

Key = tuple[str, str]
# No transaction of ours is longer, so an event becomes visible at most this long after its time.
OVERLAP: Final = timedelta(seconds=60)
MOST_FOLLOWED: Final = 2_000
PAGE: Final = 500
_MOST_REMEMBERED: Final = 50_000
_PART: Final = 1_000


def read_statuses(connection: Connection, keys: Collection[Key]) -> dict[Key, tuple[str | None, str]]:
    """Return the status and state of projects."""
    table = TrackedProject
    columns = (table.kind, table.project_id)
    found: dict[Key, tuple[str | None, str]] = {}
    for part in batched(sorted(keys), _PART):
        statement = select(*columns, table.status, table.state).where(tuple_(*columns).in_(part))
        found |= {(row.kind, row.project_id): (row.status, row.state) for row in connection.execute(statement)}
    return found


def last_change(connection: Connection) -> tuple[int, ...]:
    """Return numbers that change with every new status, ledger entry or operator action."""
    tables = (StatusTransition, CreditAdjustment, OperatorAction)
    return tuple(connection.scalar(select(func.max(table.id))) or 0 for table in tables)


@dataclass(frozen=True, slots=True)
class Tail:
    """How far events have been read: all before ``position``, and those in ``seen`` after it.

    A transaction can become visible after one that started later. So it is the position of the oldest transaction that
    may still add events, and visible events beyond it are remembered by id.
    """

    position: int
    seen: frozenset[str] = frozenset()


def begin_tail(connection: Connection) -> Tail:
    """Return a tail that starts after everything visible now."""
    position = _next_position(connection)
    return Tail(position, frozenset(_ids_from(connection, position)))


def follow(connection: Connection, tail: Tail, limit: int = MOST_FOLLOWED) -> tuple[Tail, list[dict[str, Any]], bool]:
    """Return the new tail, the payloads that became visible since the old one, and whether there are more."""
    position = _next_position(connection)
    visible = _ids_from(connection, tail.position)
    fresh = [event_id for event_id in visible if event_id not in tail.seen]
    payloads = read_payloads(connection, fresh[:limit])
    if len(fresh) > limit:
        return Tail(tail.position, tail.seen | frozenset(fresh[:limit])), payloads, True
    return Tail(position, frozenset(_ids_from(connection, position))), payloads, False


def _next_position(connection: Connection) -> int:
    """Return the lowest position of any event that is not visible yet."""
    if connection.dialect.name == "postgresql":
        oldest = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
        offset = "coalesce((SELECT transactions FROM feed_offset), 0)"
        return int(connection.scalar(text(f"SELECT {oldest} + {offset}")) or 0)
    return int(connection.scalar(select(func.max(Event.feed_position))) or 0) + 1


def _ids_from(connection: Connection, position: int) -> list[str]:
    # Another program's long transaction holds the position back. Then the oldest ids are dropped.
    latest_first = (Event.feed_position.desc(), Event.id.desc())
    latest = select(Event.id).where(Event.feed_position >= position).order_by(*latest_first).limit(_MOST_REMEMBERED)
    return list(reversed(connection.scalars(latest).all()))


# The place of an event in the feed: its position, then its id within the transaction.
Place = tuple[int, str]


def place_before(connection: Connection, event_id: str) -> Place | None:
    """Return where to continue after the last event that a client received, or None if that event does not exist.

    Transactions that were open when the event was stored may have added events at earlier positions later,
    so the place is somewhat before the event itself.
    """
    row = connection.execute(select(Event.feed_position, Event.created_at).where(Event.id == event_id)).one_or_none()
    if row is None:
        return None
    around = select(func.min(Event.feed_position)).where(Event.created_at >= row.created_at - OVERLAP)
    first = connection.scalar(around.where(Event.created_at <= row.created_at))
    return min(row.feed_position, row.feed_position if first is None else int(first)), ""


def latest_id(connection: Connection) -> str | None:
    """Return the id of the last event in the feed, if any."""
    return connection.scalar(select(Event.id).order_by(Event.feed_position.desc(), Event.id.desc()).limit(1))


def read_page(connection: Connection, after: Place, limit: int = PAGE) -> tuple[Place, list[dict[str, Any]]]:
    """Return the place and the payloads of the next events of the feed: none at the end."""
    columns = (Event.feed_position, Event.id)
    statement = select(*columns, Event.payload).where(tuple_(*columns) > after).order_by(*columns).limit(limit)
    rows = connection.execute(statement).all()
    last = (rows[-1].feed_position, rows[-1].id) if rows else after
    return last, [row.payload for row in rows]


def read_payloads(connection: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the payloads of events, oldest first."""
    found: list[dict[str, Any]] = []
    for part in batched(ids, _PART):
        payloads = select(Event.payload).where(Event.id.in_(part))
        found += connection.scalars(payloads.order_by(Event.created_at, Event.sequence, Event.id))
    return found
