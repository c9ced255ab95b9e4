"""Credit changes after the end: reading them from the history, and storing the learned rates."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from worker.domain.projects.status import TERMINAL
from worker.domain.scheduling.settling import SettledProject, SettlingRates
from worker.store.engine import clock
from worker.store.models import CreditAdjustment, SettlingRate, TrackedProject
from worker.store.types import listed

_PROJECTS: Final[Any] = TrackedProject.__table__
_CHANGES: Final[Any] = CreditAdjustment.__table__
# All checks are made while a refund is outstanding, so refunds are not counted.
_REFUND: Final = "refund"


def settled_projects(
    connection: Connection, kind: str, type_: str, last_age: float, most: int
) -> dict[str, list[SettledProject]]:
    """Return, by status, the latest ``most`` ends, and the latest ones older than the last check; newest first."""
    ended = (
        select(_PROJECTS.c.id, _PROJECTS.c.status, _PROJECTS.c.finished_at, _PROJECTS.c.last_observed_at)
        .where(_PROJECTS.c.kind == kind, _PROJECTS.c.type == type_, _PROJECTS.c.finished_at.is_not(None))
        .order_by(_PROJECTS.c.finished_at.desc())
        .limit(most)
    )
    before = clock(connection) - timedelta(seconds=last_age)
    settled = ended.where(_PROJECTS.c.finished_at <= before)
    rows = {row.id: row for each in (ended, settled) for row in connection.execute(each)}
    changes = _changes(connection, rows)
    found: defaultdict[str, list[SettledProject]] = defaultdict(list)
    for row in rows.values():
        if row.status in TERMINAL:
            until = (row.last_observed_at - row.finished_at).total_seconds()
            found[row.status].append(SettledProject(until, tuple(changes[row.id])))
    return found


def _changes(connection: Connection, rows: Mapping[int, Any]) -> Mapping[int, list[tuple[float, float]]]:
    """Return each project's credit changes after its end, in seconds since the end; without refunds of failed ones."""
    statement = select(
        _CHANGES.c.tracked_project_id, _CHANGES.c.observed_after, _CHANGES.c.observed_at, _CHANGES.c.reason
    ).where(listed(_CHANGES.c.tracked_project_id, "ids"))
    found: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for id_, after, at, reason in connection.execute(statement, {"ids": list(rows)}):
        row = rows[id_]
        if at > row.finished_at and (row.status == "complete" or reason != _REFUND):
            low, high = ((moment - row.finished_at).total_seconds() for moment in (after or row.finished_at, at))
            found[id_].append((max(0.0, low), high))
    return found


def save_rates(
    connection: Connection, kind: str, type_: str, learned: Mapping[str, tuple[SettlingRates, Sequence[SettledProject]]]
) -> None:
    """Replace the learned rates of a type."""
    table = SettlingRate
    now = clock(connection)
    connection.execute(delete(table).where(table.kind == kind, table.type == type_))
    rows = [
        {"kind": kind, "type": type_, "status": status, "age": age, "rate": rate}
        | {"learned_from": len(projects), "learned_at": now}
        for status, (rates, projects) in learned.items()
        for age, rate in rates.items()
    ]
    if rows:
        # If another process learns the same type, the later one wins.
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        values = {name: statement.excluded[name] for name in ("rate", "learned_from", "learned_at")}
        keys = ["kind", "type", "status", "age"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)


def load_rates(connection: Connection) -> dict[tuple[str, str, str], SettlingRates]:
    """Return everything that was learned, by kind, type and status."""
    table = SettlingRate
    statement = select(table.kind, table.type, table.status, table.age, table.rate)
    rows = connection.execute(statement.order_by(table.kind, table.type, table.status, table.age))
    return {
        key: {row.age: row.rate for row in group}
        for key, group in groupby(rows, key=lambda row: (row.kind, row.type, row.status))
    }
