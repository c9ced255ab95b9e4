"""Spend, failures and open work by the value of a metadata key: by customer, by order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, select, union_all

from worker.store.ledger.bounded_amounts import bounded
from worker.store.models import CreditAdjustment, MetadataValue, TrackedProject
from worker.store.projects.metadata_fill import is_filled

_SUMS: Final = ("spent", "refunded", "failed", "open")
_ENTRY: Final[Any] = CreditAdjustment.__table__
_PROJECT: Final[Any] = TrackedProject.__table__
_VALUE: Final[Any] = MetadataValue.__table__


class ValueReport(NamedTuple):
    """A value and its sums: credits spent and refunded, and projects failed, since a time; projects open now.

    ``value`` is None for all values that are nested or longer than 200 characters.
    """

    value: str | None
    spent: int
    refunded: int
    failed: int
    open: int


class MetadataReport(NamedTuple):
    """The values with the highest spend. ``complete`` is False while older projects are being added."""

    rows: Sequence[ValueReport]
    complete: bool
    has_more: bool


def report_values(connection: Connection, key: str, since: datetime, most: int) -> MetadataReport:
    """Return spend, refunds and failures since a time, and open work, by the value of a metadata key."""
    # The planner must know from where on projects matter, or it reads those of all years.
    recent = _ENTRY.c.observed_at >= since
    oldest = connection.scalar(select(func.min(_ENTRY.c.tracked_project_id + 0)).where(recent)) or 0
    parts = union_all(*(part.where(_VALUE.c.key == key).group_by(_VALUE.c.value) for part in _parts(since, oldest)))
    found = parts.subquery()
    sums = [func.sum(found.c[name]).label(name) for name in _SUMS]
    statement = select(found.c.value, *sums).group_by(found.c.value)
    ordered = statement.order_by(sums[0].desc(), sums[3].desc(), sums[2].desc(), found.c.value).limit(most + 1)
    rows = [ValueReport(row.value, *map(int, row[1:])) for row in connection.execute(ordered)]
    return MetadataReport(rows[:most], is_filled(connection), len(rows) > most)


def _parts(since: datetime, oldest: int) -> Sequence[Select[Any]]:
    amount = bounded(_ENTRY.c.amount)
    spent = func.sum(case((amount > 0, amount), else_=0))
    refunded = func.sum(case((amount < 0, -amount), else_=0))
    values, projects = _VALUE.c.tracked_project_id, _PROJECT.c.id
    failed = (_PROJECT.c.status == "error", _PROJECT.c.finished_at >= since)
    return (
        _sums(spent=spent, refunded=refunded)
        .join_from(_VALUE, _ENTRY, _ENTRY.c.tracked_project_id == values)
        .where(_ENTRY.c.observed_at >= since, values >= oldest),
        _sums(failed=func.count()).join_from(_VALUE, _PROJECT, projects == values).where(*failed),
        _sums(open=func.count()).join_from(_VALUE, _PROJECT, projects == values).where(_PROJECT.c.state != "closed"),
    )


def _sums(**given: ColumnElement[Any]) -> Select[Any]:
    return select(_VALUE.c.value, *(given.get(name, literal(0)).label(name) for name in _SUMS))
