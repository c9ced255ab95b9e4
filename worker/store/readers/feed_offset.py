"""The feed after a restore: new positions must be higher than those that readers have seen."""

from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from worker.store.models import Event, FeedOffset
from worker.store.models.feed_position import NextFeedPosition

_EVENTS: Final[Any] = Event.__table__
# Readers may have seen positions that are not in the dump: those of the last day before the server was lost.
_MARGIN: Final = 1_000_000_000


def lift_feed(connection: Connection) -> int:
    """Raise future positions above all existing ones. Returns by how much; 0 if they are already higher."""
    last = connection.scalar(select(func.max(_EVENTS.c.feed_position))) or 0
    following = connection.scalar(select(NextFeedPosition()))
    if following is None or following > last:
        return 0
    lift = int(last - following) + _MARGIN
    connection.execute(update(FeedOffset).values(transactions=FeedOffset.transactions + lift))
    return lift
