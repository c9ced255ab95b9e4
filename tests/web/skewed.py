"""A skewed day: a quiet night with fast ends, one bad hour with slow ones, refunds that are late, one busy account."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert

from tests.store.world import name
from worker.store.engine import Database, clock
from worker.store.models import (
    Account,
    CreditAdjustment,
    Delivery,
    Event,
    RejectedRequest,
    RequestMinute,
    StatusTransition,
    TrackedProject,
)


@dataclass(frozen=True)
class Group:
    """So many projects with the same life. Times are hours ago; ``delay`` is in seconds."""

    count: int
    status: str | None = "complete"
    state: str = "settling"
    account: str = "default"
    type: str | None = "TEXT_TO_VIDEO"
    finished: float | None = None
    delay: float | None = None
    price: int | None = 100
    refund: int = 0
    fields: tuple[tuple[str, Any], ...] = ()


GROUPS: Final = (
    Group(40, finished=20.0, delay=1.0),  # the night
    Group(2, finished=0.4, delay=30.0),  # the last hour
    Group(1, finished=23.9, delay=7.0, account="studio"),
    Group(3, finished=70.0, delay=2.0, type="FACE_SWAP"),
    Group(4, "error", finished=2.0, price=450, fields=(("error_code", "no_face"), ("error_message", "no face"))),
    Group(5, "error", finished=2.5, price=450, refund=450, fields=(("error_code", "no_face"),)),
    Group(3, "error", finished=80.0, price=80, account="studio", fields=(("error_code", "timed_out"),)),
    Group(2, "error", finished=3.0, price=0),  # without a code
    Group(2, "canceled", finished=5.0, price=60, account="studio"),
    Group(6, "rendering", "active"),
    Group(3, "rendering", "active", "studio", fields=(("stalled_at", -3600),)),
    Group(4, None, "active", price=None, fields=(("next_check_at", -300),)),
    Group(2, "queued", "active", fields=(("failure_count", 3), ("last_problem", "bad_answer"))),
    Group(1, "rendering", "active", fields=(("failure_count", 2), ("last_problem", "not_found"))),
)  # fmt: skip
DEAD: Final = 3


def fill_skewed(database: Database) -> None:
    """Store it."""
    with database.write() as connection:
        now = clock(connection)
        for account in ("default", "studio"):
            connection.execute(insert(Account).values(name=account, tokens=5, refilled_at=now, answered_at=now))
        paused = {"paused_until": now + timedelta(hours=1), "pause_reason": "unauthorized"}
        connection.execute(insert(Account).values(name="zeta", tokens=5, refilled_at=now, **paused))
        number = 0
        for group in GROUPS:
            for _ in range(group.count):
                number += 1
                _store(connection, number, group, now)
        _store_deliveries(connection, now)
        rejected = [{"request": "{}", "reason": "no kind", "rejected_at": now}] * 2
        connection.execute(insert(RejectedRequest), rejected)
        minutes = [(1, "default", 600), (2, "default", 60), (3, "studio", 30), (40, "default", 9000)]
        for ago, account, requests in minutes:
            minute = datetime.fromtimestamp(now.timestamp() // 60 * 60 - 60 * ago, now.tzinfo)
            connection.execute(insert(RequestMinute).values(account=account, minute=minute, requests=requests))


def _store(connection: Connection, number: int, group: Group, now: datetime) -> None:
    finished = None if group.finished is None else now - timedelta(hours=group.finished)
    tracked = (finished or now) - timedelta(minutes=10)
    seen = finished or now - timedelta(minutes=5)
    charged = None if group.price is None else group.price - group.refund
    values: dict[str, Any] = {
        "id": number, "kind": "video", "project_id": name(number), "account": group.account, "state": group.state,
        "status": group.status, "type": group.type, "credits_charged": charged, "tracked_at": tracked,
        "opened_at": tracked, "finished_at": finished, "detection_delay": group.delay,
        "transition_count": int(group.status is not None),
        "adjustment_count": 0 if group.price is None else 1 + bool(group.refund),
        "next_check_at": now + timedelta(hours=1), "last_observed_at": now, "metadata": {"customer": f"c{number % 3}"},
        **{key: now + timedelta(seconds=value) if isinstance(value, int) and key.endswith(("_at", "_since")) else value
           for key, value in group.fields},
    }  # fmt: skip
    connection.execute(insert(TrackedProject.__table__), [values])  # type: ignore[arg-type]  # a table
    if group.status:
        transition = {"sequence": 1, "to_status": group.status, "observed_at": seen, "observed_after": tracked}
        connection.execute(insert(StatusTransition).values(tracked_project_id=number, source="poll", **transition))
    if group.price is not None:
        entry = {"tracked_project_id": number, "source": "poll", "observed_at": tracked}
        first = {"sequence": 1, "reason": "estimate", "amount": group.price, "total": group.price}
        connection.execute(insert(CreditAdjustment).values(**entry, **first))
        if group.refund:
            back = {"sequence": 2, "reason": "refund", "amount": -group.refund, "total": charged, "observed_at": seen}
            connection.execute(insert(CreditAdjustment).values(entry | back))


def _store_deliveries(connection: Connection, now: datetime) -> None:
    states = ["dead"] * DEAD + ["sent"] * 5 + ["pending"] * 4
    for number, state in enumerate(states, 1):
        event = f"event-{number:030}"
        values = {"sequence": 1, "type": "project.completed", "dedup_key": "x", "payload": {"id": event}}
        connection.execute(insert(Event).values(id=event, tracked_project_id=number, created_at=now, **values))
        delivery = {"event_id": event, "destination": "celery:news.archive", "state": state, "attempts": 1}
        times = {"created_at": now, "next_attempt_at": now, "sent_at": now if state == "sent" else None}
        connection.execute(insert(Delivery).values(**delivery, **times))
