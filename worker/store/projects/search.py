"""Searching projects page by page, fast at any size.

Metadata has an index. Without a suitable one, a search covers the latest ``WINDOW`` projects at a time. The page then
says how far back it searched, and its cursor continues from there, so that even a search with few matches is fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, String, cast, func, or_, select, tuple_

from worker.domain.intake.identifiers import is_project_id
from worker.domain.projects.pasted_id import pasted_id
from worker.domain.projects.status import KINDS
from worker.store.counting import count_up_to
from worker.store.models import TrackedProject
from worker.store.projects.metadata_fill import is_filled
from worker.store.projects.metadata_search import MetadataTerm
from worker.store.projects.queries import public
from worker.store.projects.selections import INDEXED, Selection, selected

_TABLE: Final[Any] = TrackedProject.__table__
WINDOW: Final = 100_000
OPEN: Final = frozenset({"active", "settling"})

Sort = Literal["newest", "oldest", "due", "finished", "credits"]
# The sort column, and whether it is descending. None sorts by the time of tracking.
_ORDERS: Final[dict[Sort, tuple[str | None, bool]]] = {
    "newest": (None, True),
    "oldest": (None, False),
    "due": ("next_check_at", False),
    "finished": ("finished_at", True),
    "credits": ("credits_charged", True),
}
# The last row of a page: its sort value and its id.
Position = tuple[datetime | int | None, int]


@dataclass(frozen=True, slots=True)
class Search:
    """The filters of a search; an empty field matches all.

    ``text`` is an id, a link that contains one, or part of a name or of metadata. ``problem`` is why the last check
    failed. ``selection`` needs ``now``.
    """

    text: str | None = None
    kinds: Sequence[str] = ()
    types: Sequence[str] = ()
    statuses: Sequence[str] = ()
    states: Sequence[str] = ()
    accounts: Sequence[str] = ()
    error_code: str | None = None
    metadata: Sequence[MetadataTerm] = ()
    tracked_after: datetime | None = None
    tracked_before: datetime | None = None
    finished_after: datetime | None = None
    problem: str | None = None
    selection: Selection | None = None
    now: datetime | None = None
    sort: Sort = "newest"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the position of the next one. ``searched_back_to`` is set if the search is not complete."""

    rows: Sequence[dict[str, Any]]
    next: Position | None
    searched_back_to: datetime | None = None


def find_projects(connection: Connection, search: Search, limit: int, after: Position | None = None) -> Page:
    """Return the projects that match, from a position on."""
    filled = _is_filled(connection, search)
    if search.text:
        exact = _exactly(connection, search, filled=filled)
        if exact:
            return Page(exact, None)
    column, descending = _ORDERS[search.sort]
    span = _span(connection, search, after, filled=filled)
    statement = select(_TABLE).where(*_conditions(search, filled=filled), *_within(span))
    rows = connection.execute(_ordered(statement, column, descending, after).limit(limit + 1)).mappings().all()
    shown = [public(row) for row in rows[:limit]]
    if len(rows) > limit:
        last = rows[limit - 1]
        return Page(shown, (last[column] if column else None, last["id"]))
    return _unfinished(connection, search, span, shown)


def count_matches(connection: Connection, search: Search) -> int:
    """Return how many projects match, in the range that the first page searches; stops at 10,000."""
    filled = _is_filled(connection, search)
    span = _span(connection, search, None, filled=filled)
    statement = select(_TABLE.c.id).where(*_conditions(search, filled=filled), *_within(span))
    column, _ = _ORDERS[search.sort]
    if column:
        statement = statement.where(_TABLE.c[column].is_not(None))
    return count_up_to(connection, statement)


def matching(
    connection: Connection, search: Search, *, above: int = 0, below: int | None = None, limit: int = 1000
) -> list[RowMapping]:
    """Return whole rows that match, wherever they are: those below an id, the newest first; or else those above one."""
    conditions = _conditions(search, filled=_is_filled(connection, search))
    statement = select(_TABLE).where(*conditions, _TABLE.c.id > above)
    if below is None:
        return list(connection.execute(statement.order_by(_TABLE.c.id).limit(limit)).mappings())
    statement = statement.where(_TABLE.c.id < below).order_by(_TABLE.c.id.desc())
    return list(connection.execute(statement.limit(limit)).mappings())


def latest_id(connection: Connection) -> int:
    """Return the id of the project that was tracked last; 0 if there is none."""
    return connection.scalar(select(func.max(_TABLE.c.id))) or 0


def count_everywhere(connection: Connection, search: Search) -> int:
    """Return how many projects match, wherever they are; stops at 10,000."""
    conditions = _conditions(search, filled=_is_filled(connection, search))
    return count_up_to(connection, select(_TABLE.c.id).where(*conditions))


def _is_filled(connection: Connection, search: Search) -> bool:
    """Whether the index of metadata has every project, if the search needs it."""
    return not search.metadata or is_filled(connection)


def _exactly(connection: Connection, search: Search, *, filled: bool) -> list[dict[str, Any]]:
    given = search.text or ""
    ids = {given, pasted_id(given) or given}
    found = select(_TABLE).where(
        _TABLE.c.kind.in_(search.kinds or KINDS),
        _TABLE.c.project_id.in_([each for each in ids if is_project_id(each)]),
        *_facets(search, filled=filled),
    )
    return [public(row) for row in connection.execute(found).mappings()]


def _within(span: tuple[int, int] | None) -> tuple[ColumnElement[bool], ...]:
    return (_TABLE.c.id >= span[0], _TABLE.c.id < span[1]) if span else ()


def _span(connection: Connection, search: Search, after: Position | None, *, filled: bool) -> tuple[int, int] | None:
    """Return the range of ids to search, or None for all: open projects are few, all others may be many."""
    if search.metadata and filled:
        return None
    if (search.states and OPEN.issuperset(search.states)) or search.selection in INDEXED:
        return None
    if search.finished_after and search.sort == "finished":
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
    """Return what remains to be searched if the range searched did not fill a page."""
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
        # The row beyond it belongs to the next range, which starts next to it.
        return Page(shown, (None, row.id + 1 if search.sort == "newest" else row.id - 1), row.tracked_at)
    return Page(shown, None, row.tracked_at)


def _conditions(search: Search, *, filled: bool) -> list[ColumnElement[bool]]:
    wanted = _facets(search, filled=filled)
    if search.kinds:
        wanted.append(_TABLE.c.kind.in_(search.kinds))
    if search.text:
        wanted.append(_has_text(search.text))
    return wanted


def _facets(search: Search, *, filled: bool) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    for name, values in (
        ("type", search.types),
        ("status", search.statuses),
        ("state", search.states),
        ("account", search.accounts),
    ):
        if values:
            wanted.append(_TABLE.c[name].in_(values))
    for name, value in (
        ("error_code", search.error_code),
        ("last_problem", search.problem),
    ):
        if value is not None:
            wanted.append(_TABLE.c[name] == value)
    if search.tracked_after:
        wanted.append(_TABLE.c.tracked_at >= search.tracked_after)
    if search.tracked_before:
        wanted.append(_TABLE.c.tracked_at < search.tracked_before)
    if search.finished_after:
        wanted.append(_TABLE.c.finished_at >= search.finished_after)
    if search.selection and search.now:
        wanted.append(selected(search.selection, search.now))
    wanted += (term.condition() if filled else term.slow_condition() for term in search.metadata)
    return wanted


def _has_text(wanted: str) -> ColumnElement[bool]:
    return or_(
        _TABLE.c.project_id.startswith(wanted, autoescape=True),
        _TABLE.c.project_id.startswith(wanted.lower(), autoescape=True),
        _TABLE.c.name.icontains(wanted, autoescape=True),
        cast(_TABLE.c.metadata, String).icontains(wanted, autoescape=True),
    )
