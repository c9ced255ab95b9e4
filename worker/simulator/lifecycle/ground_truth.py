"""The true story of a project, for tests to compare with what a tracker saw."""

from typing import TypedDict

from worker.simulator.lifecycle.catalogue import Kind
from worker.simulator.lifecycle.plan import Moment, Status
from worker.simulator.lifecycle.projects import Project


class Change(TypedDict):
    """From `at` (epoch seconds) on, these were the status and the credits."""

    at: float
    status: Status
    credits_charged: int


class Final(TypedDict):
    """What the project ends with, known from its creation; at `settled_at` (epoch seconds) it is reached for good."""

    settled_at: float
    status: Status
    credits_charged: int


class Record(TypedDict):
    """One project: `timeline` is every change so far, `requests` how many GETs asked for it."""

    number: int
    id: str
    kind: Kind
    type: str
    created_at: float
    deleted_at: float | None
    requests: int
    timeline: list[Change]
    final: Final


def record(project: Project, now: float) -> Record:
    """Return the story of a project up to now, and its end."""
    age = project.age(now)
    return Record(
        number=project.number,
        id=project.id,
        kind=project.endpoint.kind,
        type=project.endpoint.type,
        created_at=project.created_at,
        deleted_at=project.deleted_at,
        requests=project.requests,
        timeline=[_change(project, moment) for moment in project.life.moments if moment.at <= age],
        final=_final(project),
    )


def _change(project: Project, moment: Moment) -> Change:
    return Change(at=project.created_at + moment.at, status=moment.status, credits_charged=moment.credits_charged)


def _final(project: Project) -> Final:
    # Deletion stops a life short.
    deleted_at = project.deleted_at
    if deleted_at is not None and deleted_at < project.settles_at:
        last, settled_at = project.at(deleted_at), deleted_at
    else:
        # Not asked by time: at just that moment, floats may round to the one before.
        last, settled_at = project.life.last, project.settles_at
    return Final(settled_at=settled_at, status=last.status, credits_charged=last.credits_charged)
