"""Adding the metadata of older projects to ``metadata_values``, in batches, newest first.

Newer projects have their rows from a trigger. The position is stored with the rows, so an interrupted run is resumed.
"""

from typing import Any, Final

from sqlalchemy import Connection, Text, bindparam, column, func, select, true, update
from sqlalchemy.dialects import postgresql

from worker.store.models import MetadataFill, MetadataValue, TrackedProject

_FILL: Final[Any] = MetadataFill.__table__
_PROJECTS: Final[Any] = TrackedProject.__table__


def is_filled(connection: Connection) -> bool:
    """Whether the metadata of every project is in the table."""
    return connection.scalar(select(_FILL.c.unfilled_upto)) == 0


def fill_metadata(connection: Connection, most: int) -> int:
    """Add the next projects, up to a limit. Returns how many; 0 if none is left, or another process adds them."""
    upto = connection.scalar(select(_FILL.c.unfilled_upto).with_for_update(skip_locked=True))
    if not upto:
        return 0
    # Locked, or the rows of a project that retention removes meanwhile would stay.
    latest = select(_PROJECTS.c.id).where(upto >= _PROJECTS.c.id).order_by(_PROJECTS.c.id.desc()).limit(most)
    ids = connection.scalars(latest.with_for_update(key_share=True, read=True)).all()
    if ids:
        connection.execute(_rows(), {"first": ids[-1], "last": ids[0]})
    connection.execute(update(_FILL).values(unfilled_upto=ids[-1] - 1 if ids else 0))
    return len(ids)


def _rows() -> postgresql.Insert:
    """Return the statement that adds a range of projects. SQLite needs none: its migration adds all projects."""
    columns = (column("key", Text), column("value", Text))
    each = func.renderwatch_metadata_rows(_PROJECTS.c.metadata).table_valued(*columns).lateral("m")
    rows = (
        select(_PROJECTS.c.id, each.c.key, each.c.value)
        .join_from(_PROJECTS, each, true())
        .where(_PROJECTS.c.id.between(bindparam("first"), bindparam("last")))
    )
    names = ["tracked_project_id", "key", "value"]
    return postgresql.insert(MetadataValue).from_select(names, rows).on_conflict_do_nothing()
