"""Named selections of projects: what pages count, and what their links open."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, and_, or_

from worker.store.models import TrackedProject
from worker.store.monitoring import definitions

Selection = Literal[
    "due",
    "overdue",
    "stalled",
    "failing",
    "unanswered",
    "missing",
    "refund_outstanding",
    "not_seen",
    "without_error_code",
]
SELECTIONS: Final[tuple[Selection, ...]] = get_args(Selection)
# Those that an index finds, or that only open projects can belong to, which are few.
INDEXED: Final[frozenset[Selection]] = frozenset(
    {"due", "overdue", "stalled", "failing", "unanswered", "refund_outstanding"}
)
_PROJECTS: Final[Any] = TrackedProject.__table__.c


def _is_failing(_: datetime) -> ColumnElement[bool]:
    return and_(
        _PROJECTS.state.in_(("active", "settling")), _PROJECTS.last_problem.is_not(None), _PROJECTS.failure_count > 0
    )


def _is_missing(_: datetime) -> ColumnElement[bool]:
    return or_(_PROJECTS.close_reason == "missing", _PROJECTS.missing_since.is_not(None))


def _is_refund_outstanding(_: datetime) -> ColumnElement[bool]:
    return and_(_PROJECTS.status.in_(("error", "canceled")), _PROJECTS.credits_charged > 0)


_CONDITIONS: Final[Mapping[Selection, Callable[[datetime], ColumnElement[bool]]]] = {
    "due": definitions.is_due,
    "overdue": definitions.is_overdue,
    "stalled": lambda _: definitions.is_stalled(),
    "failing": _is_failing,
    "unanswered": definitions.is_unanswered,
    "missing": _is_missing,
    "refund_outstanding": _is_refund_outstanding,
    "not_seen": lambda _: _PROJECTS.status.is_(None),
    "without_error_code": lambda _: and_(_PROJECTS.status == "error", _PROJECTS.error_code.is_(None)),
}


def selected(selection: Selection, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a project belongs to a selection."""
    return _CONDITIONS[selection](now)
