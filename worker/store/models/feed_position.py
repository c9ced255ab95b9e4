"""The position of an event in the feed: a cursor that is safe in commit order, unlike identity values and UUIDs."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class NextFeedPosition(FunctionElement[int]):
    """The position of a new event: the transaction id, or on SQLite, where writers take turns, the last one plus one.

    After a restore to another server, an offset raises its lower ids above those of the dump.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(NextFeedPosition)
def _counted(_element: NextFeedPosition, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as SQLAlchemy calls it
    return "(SELECT coalesce(max(feed_position), 0) + 1 FROM events)"


@compiles(NextFeedPosition, "postgresql")
def _transaction(_element: NextFeedPosition, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as SQLAlchemy calls it
    offset = "coalesce((SELECT transactions FROM feed_offset), 0)"
    return f"(CAST(CAST(pg_current_xact_id() AS text) AS bigint) + {offset})"
