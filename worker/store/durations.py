"""How long renders took: what history says, and what was learned from it."""

from datetime import timedelta
from itertools import groupby, pairwise
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, true

from worker.domain.durations import ANY_TYPE, Durations
from worker.domain.hazard import EDGES, Hazard
from worker.domain.status import KINDS, TERMINAL, WAITING
from worker.store.engine import clock
from worker.store.models import RenderDuration, StatusTransition, TrackedProject

# A kind, and a type of it; ANY_TYPE is the kind as a whole.
Key = tuple[str, str]
# The ages at which a render still ran, and had ended.
Render = tuple[float, float]
_LONGEST_TYPE: Final = 200
# Older ends than this before the last learning were learned then.
_OVERLAP: Final = timedelta(hours=1)
# What was handed over later than this after its creation, and never seen to wait, tells nothing of its age.
_LATE: Final = timedelta(seconds=30)


def has_news(connection: Connection, most: int) -> list[Key]:
    """Return the types, and kinds, of which renders have finished since they were last learned."""
    learned = (
        select(RenderDuration.kind, RenderDuration.type, func.max(RenderDuration.learned_at).label("at"))
        .group_by(RenderDuration.kind, RenderDuration.type)
        .subquery()
    )
    last = connection.scalar(select(func.max(RenderDuration.learned_at)))
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
        .where(or_(learned.c.at.is_(None), newest.c.at > learned.c.at))
        .order_by(newest.c.at.desc())
        .limit(most)
    )
    types = [(row.kind, row.type) for row in connection.execute(statement)]
    return [*types, *((kind, ANY_TYPE) for kind in sorted({kind for kind, _ in types}))]


def finished_renders(connection: Connection, key: Key, most: int) -> list[Render]:
    """Return the latest renders whose end was seen from a running status, the latest first."""
    project, end = TrackedProject, StatusTransition
    statement = (
        select(project.queued_at, project.opened_at, project.created_at, end.observed_after, end.observed_at)
        .join(end, and_(end.tracked_project_id == project.id, end.observed_at == project.finished_at))
        .where(_of(key), project.finished_at.is_not(None))
        .where(end.to_status.in_(TERMINAL), end.observed_after.is_not(None))
        .order_by(project.finished_at.desc())
        .limit(most)
    )
    found = []
    for row in connection.execute(statement):
        start = row.queued_at or row.opened_at
        late = row.queued_at is None and row.created_at is not None and row.opened_at - row.created_at > _LATE
        if not late and row.observed_at > start:
            low = max(0.0, (row.observed_after - start).total_seconds())
            found.append((low, (row.observed_at - start).total_seconds()))
    return found


def running_ages(connection: Connection, key: Key, most: int) -> list[float]:
    """Return the ages at which renders that still run were last seen."""
    project = TrackedProject
    statement = (
        select(project.queued_at, project.opened_at, project.last_observed_at)
        .where(_of(key), project.state == "active", project.last_observed_at.is_not(None))
        .where(project.status.not_in(WAITING))
        .order_by(project.id.desc())
        .limit(most)
    )
    rows = connection.execute(statement)
    return [max(0.0, (row.last_observed_at - (row.queued_at or row.opened_at)).total_seconds()) for row in rows]


def _of(key: Key) -> ColumnElement[bool]:
    kind, type_ = key
    return and_(TrackedProject.kind == kind, true() if type_ == ANY_TYPE else TrackedProject.type == type_)


def save(connection: Connection, key: Key, hazard: Hazard, learned_from: int) -> None:
    """Replace what was known of a type."""
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
    connection.execute(insert(table), rows)


def load(connection: Connection) -> Durations:
    """Return everything that was learned."""
    table = RenderDuration
    statement = select(table.kind, table.type, table.age_from, table.age_to, table.hazard).order_by(
        table.kind, table.type, table.age_from
    )
    learned = {}
    for key, spans in groupby(connection.execute(statement), key=lambda row: (row.kind, row.type)):
        steps = tuple(row.hazard * (row.age_to - row.age_from) for row in spans)
        if len(steps) == len(EDGES) - 1:  # a later version's table may be finer: then ours is a guess until it learns
            learned[key] = Hazard(steps)
    return Durations(learned)


def learned_from(connection: Connection) -> dict[Key, int]:
    """Return from how many finished renders each table was learned."""
    statement = select(RenderDuration.kind, RenderDuration.type, RenderDuration.learned_from).distinct()
    return {(row.kind, row.type): row.learned_from for row in connection.execute(statement)}
