"""The place of an event in the feed: safe to read on from, as identity values and UUIDs are not."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class NextFeedPosition(FunctionElement[int]):
    """The position of what is written now: the transaction's number, or one more than the last where writers queue."""

    type = BigInteger()
    inherit_cache = True


@compiles(NextFeedPosition)
def _counted(_element: NextFeedPosition, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as SQLAlchemy calls it
    return "(SELECT coalesce(max(feed_position), 0) + 1 FROM events)"


@compiles(NextFeedPosition, "postgresql")
def _transaction(_element: NextFeedPosition, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as SQLAlchemy calls it
    return "CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
