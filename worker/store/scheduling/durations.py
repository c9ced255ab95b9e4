"""Render durations: reading them from the history, and storing what was learned."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, not_, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from worker.domain.projects.status import KINDS, TERMINAL, WAITING
from worker.domain.scheduling.cohorts import ObservedRender
from worker.domain.scheduling.durations import ANY_TYPE, Durations
from worker.domain.scheduling.hazard import EDGES, Hazard
from worker.domain.scheduling.schedule import LATE, render_start
from worker.store.engine import clock
from worker.store.models import RenderDuration, StatusTransition, TrackedProject
from worker.store.scheduling.settling import load_rates

# A kind, and a type of it; ANY_TYPE is the kind as a whole.
Key = tuple[str, str]
_LONGEST_TYPE: Final = 200
# Ends this long before the last learning were included in it.
_OVERLAP: Final = timedelta(hours=1)
# With this many finished renders an estimate changes slowly, and is updated at most once a minute.
ENOUGH: Final = 50
_SETTLED_TABLE: Final = timedelta(seconds=55)


def types_to_learn(connection: Connection, most: int) -> list[Key]:
    """Return the types and kinds with renders that finished since they were last learned.

    Those with fewer than ENOUGH finished renders are returned at any time, the others once a minute.
    """
    table = RenderDuration
    learned = (
        select(
            table.kind,
            table.type,
            func.max(table.learned_at).label("at"),
            func.max(table.learned_from).label("renders"),
        )
        .group_by(table.kind, table.type)
        .subquery()
    )
    is_ready = or_(learned.c.renders < ENOUGH, learned.c.at <= clock(connection) - _SETTLED_TABLE)
    last = last_learned(connection)
    newest = (
        select(TrackedProject.kind, TrackedProject.type, func.max(TrackedProject.finished_at).label("at"))
        .where(TrackedProject.kind.in_(KINDS), TrackedProject.finished_at.is_not(None))
        .where(func.length(TrackedProject.type) <= _LONGEST_TYPE)
        .where(true() if last is None else TrackedProject.finished_at > last - _OVERLAP)
        .group_by(TrackedProject.kind, TrackedProject.type)
        .subquery()
    )
    statement = (
        select(newest.c.kind, newest.c.type)
        .join_from(
            newest, learned, and_(newest.c.kind == learned.c.kind, newest.c.type == learned.c.type), isouter=True
        )
        .where(or_(learned.c.at.is_(None), and_(newest.c.at > learned.c.at, is_ready)))
        .order_by(newest.c.at.desc())
        .limit(most)
    )
    types = [(row.kind, row.type) for row in connection.execute(statement)]
    kinds = {kind for kind, _ in types}
    recent = connection.scalars(select(learned.c.kind).where(learned.c.type == ANY_TYPE, not_(is_ready)))
    return [*types, *((kind, ANY_TYPE) for kind in sorted(kinds - set(recent)))]


def finished_renders(connection: Connection, key: Key, most: int) -> tuple[list[ObservedRender], float]:
    """Return the latest finished renders whose start is known, and the time since which these are complete.

    One that ended before its first check counts as ended at any age until then.

    That time is a timestamp; minus infinity means all that ever finished.
    """
    project, end = TrackedProject, StatusTransition
    statement = (
        select(project.queued_at, project.opened_at, project.created_at, end.observed_after, end.observed_at)
        .join(end, and_(end.tracked_project_id == project.id, end.observed_at == project.finished_at))
        .where(_of(key), project.finished_at.is_not(None))
        .where(end.to_status.in_(TERMINAL), or_(end.observed_after.is_not(None), project.created_at.is_not(None)))
        .order_by(project.finished_at.desc())
        .limit(most)
    )
    rows = connection.execute(statement).all()
    found: list[ObservedRender] = []
    for row in rows:
        start = row.queued_at or row.opened_at
        # How long it had been queued and rendering before is not known.
        late = row.queued_at is None and row.created_at is not None and row.opened_at - row.created_at > LATE
        if row.observed_after is None:
            start, late = row.created_at, row.opened_at - row.created_at > LATE
        if not late and row.observed_at > start:
            low = max(0.0, ((row.observed_after or start) - start).total_seconds())
            found.append(ObservedRender(start.timestamp(), low, (row.observed_at - start).total_seconds()))
    return found, rows[-1].observed_at.timestamp() if len(rows) == most else -math.inf


def running_renders(connection: Connection, key: Key, most: int) -> list[ObservedRender]:
    """Return the latest renders that still run."""
    project = TrackedProject
    statement = (
        select(project.queued_at, project.opened_at, project.created_at, project.last_observed_at)
        .where(_of(key), project.state == "active", project.last_observed_at.is_not(None))
        .where(project.status.not_in(WAITING))
        .order_by(project.id.desc())
        .limit(most)
    )
    rows: Sequence[Any] = connection.execute(statement).all()
    starts = [render_start(row.queued_at, row.opened_at, row.created_at) for row in rows]
    return [
        ObservedRender(start.timestamp(), max(0.0, (row.last_observed_at - start).total_seconds()))
        for row, start in zip(rows, starts, strict=True)
    ]


def _of(key: Key) -> ColumnElement[bool]:
    kind, type_ = key
    return and_(TrackedProject.kind == kind, true() if type_ == ANY_TYPE else TrackedProject.type == type_)


def save(connection: Connection, key: Key, hazard: Hazard, learned_from: int) -> None:
    """Replace what was learned about a type. Of two concurrent writers, the later one wins."""
    kind, type_ = key
    now = clock(connection)
    table = RenderDuration
    connection.execute(delete(table).where(table.kind == kind, table.type == type_))
    rows = [
        {
            "kind": kind,
            "type": type_,
            "age_from": low,
            "age_to": high,
            "hazard": step / (high - low),
            "learned_from": learned_from,
            "learned_at": now,
        }
        for (low, high), step in zip(pairwise(EDGES), hazard.steps, strict=True)
    ]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    values = {name: statement.excluded[name] for name in ("age_to", "hazard", "learned_from", "learned_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["kind", "type", "age_from"], set_=values), rows)


def load(connection: Connection) -> Durations:
    """Return everything that was learned."""
    table = RenderDuration
    statement = select(table.kind, table.type, table.age_from, table.age_to, table.hazard).order_by(
        table.kind, table.type, table.age_from
    )
    learned = {}
    for key, spans in groupby(connection.execute(statement), key=lambda row: (row.kind, row.type)):
        steps = tuple(row.hazard * (row.age_to - row.age_from) for row in spans)
        if len(steps) == len(EDGES) - 1:  # a later version may use finer steps; then guess until learned again
            learned[key] = Hazard(steps)
    return Durations(learned, load_rates(connection))


def last_learned(connection: Connection) -> datetime | None:
    """Return when a type was last learned; None if none ever was."""
    return connection.scalar(select(func.max(RenderDuration.learned_at)))


def learned_from(connection: Connection) -> dict[Key, int]:
    """Return the number of finished renders that each estimate is based on."""
    statement = select(RenderDuration.kind, RenderDuration.type, RenderDuration.learned_from).distinct()
    return {(row.kind, row.type): row.learned_from for row in connection.execute(statement)}
