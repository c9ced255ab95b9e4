"""Retention: old closed projects are removed with their history; their credits stay in the daily totals.

The database refuses to delete history except of projects listed in ``retiring_projects``, and that table
accepts only closed projects whose days are closed. Its rows are removed in the same transaction.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from worker.store.engine import clock
from worker.store.ledger.daily_totals import closed_until, sums_by_day
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
from worker.store.models.deliveries import OPEN
from worker.store.scheduling.rate_limits import insert_ignoring

_SUMS: Final = ("entries", "charged", "corrected", "refunded")


def retire(connection: Connection, ids: Sequence[int]) -> int:
    """Remove projects that choose_old() returned. Returns how many."""
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


def choose_old(connection: Connection, closed_before: datetime, most: int, skip: Collection[int] = ()) -> Sequence[int]:
    """Lock projects that were closed before a time, oldest first, up to a limit, and return their ids.

    Skips locked rows, and projects that have open deliveries or are due for another check.
    """
    project = TrackedProject
    day = closed_until(connection)
    closed_days_end = datetime(day.year, day.month, day.day, tzinfo=clock(connection).tzinfo)
    waiting = (
        select(Delivery.id)
        .join(Event, Event.id == Delivery.event_id)
        .where(Event.tracked_project_id == project.id, text(f"({OPEN})"))
    )
    unbooked = select(CreditAdjustment.id).where(
        CreditAdjustment.tracked_project_id == project.id, CreditAdjustment.observed_at >= closed_days_end
    )
    # The feed continues from its last event, which therefore must stay.
    last = select(Event.tracked_project_id).order_by(Event.feed_position.desc(), Event.id.desc()).limit(1)
    statement = (
        select(project.id)
        .where(project.closed_at < min(closed_before, closed_days_end), project.state == "closed")
        .where(project.next_check_at.is_(None), project.lease_token.is_(None))
        .where(project.id != func.coalesce(last.scalar_subquery(), 0), ~waiting.exists(), ~unbooked.exists())
        .where(project.id.not_in(skip))
        .order_by(project.closed_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return connection.scalars(statement).all()


def _add_up(connection: Connection, ids: Sequence[int]) -> None:
    """Store the monthly sums of these projects' ledgers, with which the daily totals can be verified."""
    totals = sums_by_day().where(CreditAdjustment.tracked_project_id.in_(ids))
    months: defaultdict[tuple[date, str, str, str], list[int]] = defaultdict(lambda: [0] * len(_SUMS))
    for day, account, kind, type_, *sums in connection.execute(totals).all():
        key = (date.fromisoformat(str(day)).replace(day=1), account, kind, type_)
        months[key] = [old + int(new) for old, new in zip(months[key], sums, strict=True)]
    if not months:  # none of them was ever observed
        return
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
