"""Retention: closed projects that are old enough go, with their history; what they cost stays in the books.

The database refuses to delete history, but for projects that are announced in ``retiring_projects``; and that table
takes only closed projects whose days are booked. The announcement goes in the transaction that it came in.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select, update

from worker.store.accounts import insert_ignoring
from worker.store.books import booked_until
from worker.store.engine import clock
from worker.store.models import (
    CreditAdjustment,
    Delivery,
    Event,
    OperatorAction,
    RetiredCredit,
    RetiringProject,
    StatusTransition,
    TrackedProject,
)

_SUMS: Final = ("entries", "charged", "corrected", "refunded")


def retire(connection: Connection, closed_before: datetime, most: int) -> int:
    """Remove some projects that were closed before a time, at most so many, the oldest first. Returns how many.

    Locks those rows and nothing else, and passes by what others have locked. What has news to deliver, or is to be
    checked once more, stays.
    """
    ids = _choose(connection, closed_before, most)
    if not ids:
        return 0
    connection.execute(insert(RetiringProject), [{"tracked_project_id": id_} for id_ in ids])
    _add_up(connection, ids)
    events = select(Event.id).where(Event.tracked_project_id.in_(ids))
    connection.execute(delete(Delivery).where(Delivery.event_id.in_(events)))
    for table in (Event, CreditAdjustment, StatusTransition, OperatorAction, RetiringProject):
        connection.execute(delete(table).where(table.tracked_project_id.in_(ids)))
    connection.execute(delete(TrackedProject).where(TrackedProject.id.in_(ids)))
    return len(ids)


def _choose(connection: Connection, closed_before: datetime, most: int) -> Sequence[int]:
    project = TrackedProject
    day = booked_until(connection)
    booked = datetime(day.year, day.month, day.day, tzinfo=clock(connection).tzinfo)
    waiting = (
        select(Delivery.id)
        .join(Event, Event.id == Delivery.event_id)
        .where(Event.tracked_project_id == project.id, Delivery.state == "pending")
    )
    unbooked = select(CreditAdjustment.id).where(
        CreditAdjustment.tracked_project_id == project.id, CreditAdjustment.observed_at >= booked
    )
    # The feed counts on from its last event, which therefore stays.
    last = select(Event.tracked_project_id).order_by(Event.feed_position.desc(), Event.id.desc()).limit(1)
    statement = (
        select(project.id)
        .where(project.closed_at < min(closed_before, booked), project.state == "closed")
        .where(project.next_check_at.is_(None), project.lease_token.is_(None))
        .where(project.id != func.coalesce(last.scalar_subquery(), 0), ~waiting.exists(), ~unbooked.exists())
        .order_by(project.closed_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return connection.scalars(statement).all()


def _add_up(connection: Connection, ids: Sequence[int]) -> None:
    """Keep what these projects' ledgers came to, by month: it proves that the books still hold it."""
    entry, project = CreditAdjustment, TrackedProject

    def total(*reasons: str) -> Any:  # noqa: ANN401  an SQL expression
        return func.sum(case((entry.reason.in_(reasons), entry.amount), else_=0))

    groups = (func.date(entry.observed_at), project.account, project.kind, func.coalesce(project.type, ""))
    totals = (
        select(*groups, func.count(), total("charge", "estimate"), total("final", "correction"), total("refund"))
        .join(project, project.id == entry.tracked_project_id)
        .where(entry.tracked_project_id.in_(ids))
        .group_by(*groups)
        .order_by(*groups)
    )
    months: defaultdict[tuple[date, str, str, str], list[int]] = defaultdict(lambda: [0] * len(_SUMS))
    for day, account, kind, type_, *sums in connection.execute(totals).all():
        key = (date.fromisoformat(str(day)).replace(day=1), account, kind, type_)
        months[key] = [old + int(new) for old, new in zip(months[key], sums, strict=True)]
    columns = RetiredCredit.__table__.columns
    keys = [dict(zip(("month", "account", "kind", "type"), key, strict=True)) for key in sorted(months)]
    connection.execute(insert_ignoring(connection, RetiredCredit), [each | dict.fromkeys(_SUMS, 0) for each in keys])
    add = (
        update(RetiredCredit)
        .where(*(columns[name] == bindparam(f"_{name}") for name in ("month", "account", "kind", "type")))
        .values({name: columns[name] + bindparam(f"_{name}") for name in _SUMS})
    )
    named = [f"_{name}" for name in ("month", "account", "kind", "type", *_SUMS)]
    connection.execute(add, [dict(zip(named, (*key, *months[key]), strict=True)) for key in sorted(months)])
