"""Finding projects, a page at a time, at any size.

What no index helps with is looked for among the latest ``WINDOW`` projects at a time. A page then says how far back it
looked, and its cursor goes on from there: so that no search, however rare what it looks for, is slow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, String, and_, cast, func, or_, select, tuple_

from worker.domain.identifiers import is_project_id
from worker.domain.status import KINDS
from worker.store.models import TrackedProject
from worker.store.queries import public

_TABLE: Final[Any] = TrackedProject.__table__
WINDOW: Final = 100_000
OPEN: Final = frozenset({"active", "settling"})

Sort = Literal["newest", "oldest", "due", "finished", "credits"]
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
# What is sorted by, and whether the greatest comes first. None sorts by when it was tracked.
_ORDERS: Final[dict[Sort, tuple[str | None, bool]]] = {
    "newest": (None, True),
    "oldest": (None, False),
    "due": ("next_check_at", False),
    "finished": ("finished_at", True),
    "credits": ("credits_charged", True),
}
# The last row of a page: what it was sorted by, and its row number.
Position = tuple[datetime | int | None, int]


@dataclass(frozen=True, slots=True)
class Search:
    """Which projects are wanted; an empty field matches all. ``text`` is an id, or part of a name or of metadata."""

    text: str | None = None
    kinds: Sequence[str] = ()
    types: Sequence[str] = ()
    statuses: Sequence[str] = ()
    states: Sequence[str] = ()
    account: str | None = None
    error_code: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tracked_after: datetime | None = None
    tracked_before: datetime | None = None
    sort: Sort = "newest"


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and where the next one begins. ``searched_back_to`` is set if there is more to search than was."""

    rows: Sequence[dict[str, Any]]
    next: Position | None
    searched_back_to: datetime | None = None


def find_projects(connection: Connection, search: Search, limit: int, after: Position | None = None) -> Page:
    """Return the projects that match, from a position on."""
    if search.text and is_project_id(search.text):
        exact = _exactly(connection, search)
        if exact:
            return Page(exact, None)
    column, descending = _ORDERS[search.sort]
    span = _span(connection, search, after)
    statement = select(_TABLE).where(*_conditions(search))
    if span:
        statement = statement.where(_TABLE.c.id >= span[0], _TABLE.c.id < span[1])
    rows = connection.execute(_ordered(statement, column, descending, after).limit(limit + 1)).mappings().all()
    shown = [public(row) for row in rows[:limit]]
    if len(rows) > limit:
        last = rows[limit - 1]
        return Page(shown, (last[column] if column else None, last["id"]))
    return _unfinished(connection, search, span, shown)


def _exactly(connection: Connection, search: Search) -> list[dict[str, Any]]:
    found = select(_TABLE).where(
        _TABLE.c.kind.in_(search.kinds or KINDS), _TABLE.c.project_id == search.text, *_facets(search)
    )
    return [public(row) for row in connection.execute(found).mappings()]


def _span(connection: Connection, search: Search, after: Position | None) -> tuple[int, int] | None:
    """Return the row numbers to look at, or None for all: open projects are few, and everything else may be many."""
    if search.states and OPEN.issuperset(search.states):
        return None
    if search.sort == "oldest":
        start = after[1] + 1 if after else connection.scalar(select(func.min(_TABLE.c.id))) or 0
        return start, start + WINDOW
    end = after[1] if after and search.sort == "newest" else (connection.scalar(select(func.max(_TABLE.c.id))) or 0) + 1
    return end - WINDOW, end


def _ordered(statement: Any, column: str | None, descending: bool, after: Position | None) -> Any:  # noqa: ANN401, FBT001  a statement, and one way to sort it
    key = _TABLE.c.id
    if column is None:
        if after:
            statement = statement.where(key < after[1] if descending else key > after[1])
        return statement.order_by(key.desc() if descending else key)
    value = _TABLE.c[column]
    statement = statement.where(value.is_not(None))
    if after:
        place = tuple_(value, key)
        statement = statement.where(place < after if descending else place > after)
    return statement.order_by(value.desc(), key.desc()) if descending else statement.order_by(value, key)


def _unfinished(
    connection: Connection, search: Search, span: tuple[int, int] | None, shown: Sequence[dict[str, Any]]
) -> Page:
    """Say what is left to search when the part that was looked at did not fill a page."""
    if span is None:
        return Page(shown, None)
    if search.sort == "oldest":
        beyond = select(_TABLE.c.id, _TABLE.c.tracked_at).where(_TABLE.c.id >= span[1]).order_by(_TABLE.c.id)
    else:
        beyond = select(_TABLE.c.id, _TABLE.c.tracked_at).where(_TABLE.c.id < span[0]).order_by(_TABLE.c.id.desc())
    row = connection.execute(beyond.limit(1)).one_or_none()
    if row is None:
        return Page(shown, None)
    if search.sort in ("newest", "oldest"):
        # The row beyond belongs to the next part, so that one begins beside it.
        return Page(shown, (None, row.id + 1 if search.sort == "newest" else row.id - 1), row.tracked_at)
    return Page(shown, None, row.tracked_at)


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    wanted = _facets(search)
    if search.kinds:
        wanted.append(_TABLE.c.kind.in_(search.kinds))
    if search.text:
        wanted.append(_has_text(search.text))
    return wanted


def _facets(search: Search) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    for name, values in (("type", search.types), ("status", search.statuses), ("state", search.states)):
        if values:
            wanted.append(_TABLE.c[name].in_(values))
    for name, value in (("account", search.account), ("error_code", search.error_code)):
        if value is not None:
            wanted.append(_TABLE.c[name] == value)
    if search.tracked_after:
        wanted.append(_TABLE.c.tracked_at >= search.tracked_after)
    if search.tracked_before:
        wanted.append(_TABLE.c.tracked_at < search.tracked_before)
    for key, wanted_value in search.metadata.items():
        wanted.append(and_(cast(_TABLE.c.metadata[key].as_string(), String) == wanted_value))
    return wanted


def _has_text(text: str) -> ColumnElement[bool]:
    return or_(
        _TABLE.c.project_id.startswith(text, autoescape=True),
        _TABLE.c.name.icontains(text, autoescape=True),
        cast(_TABLE.c.metadata, String).icontains(text, autoescape=True),
    )
