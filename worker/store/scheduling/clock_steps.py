"""If the database's clock is set back, what was scheduled by the wrong time must not wait until that time.

It shows in a heartbeat, which is then in the future. A clock set forward needs no correction, because what is
scheduled then comes due early.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Double, String, and_, cast, func, literal, select, update

from worker.domain.projects.observation import FailureKind
from worker.domain.scheduling.rate_limit import PROBE_EVERY
from worker.store.engine import clock
from worker.store.models import Account, Delivery, Destination, Heartbeat, Lease, TrackedProject

# NTP slews smaller differences instead of stepping the clock. Seconds.
_NOTICED: Final = 5.0
_PROJECTS: Final[Any] = TrackedProject.__table__
_RATE_LIMITED: Final = str(FailureKind.RATE_LIMITED)
_TIME: Final = "%Y-%m-%d %H:%M:%f"


def follow_clock_back(connection: Connection, lease_seconds: float) -> float:
    """Reschedule what was planned by a clock that was set back. Returns by how many seconds, normally 0.

    Leases, pauses, checks and deliveries are moved by the same step if they are further ahead than the
    correct time could have put them.
    """
    now = clock(connection)
    ahead = select(Heartbeat.beat_at).where(Heartbeat.beat_at > now + _seconds(_NOTICED)).order_by(Heartbeat.name)
    if not connection.scalars(ahead).all():
        return 0.0
    beats = connection.scalars(ahead.with_for_update()).all()  # another dispatcher may do the same
    if not beats:
        return 0.0
    step = (max(beats) - now).total_seconds()
    _move(connection, now, step, lease_seconds)
    connection.execute(update(Heartbeat).where(Heartbeat.beat_at > now).values(beat_at=now))
    return step


def _move(connection: Connection, now: datetime, step: float, lease_seconds: float) -> None:
    def earlier(moment: Any, seconds: Any) -> Any:  # noqa: ANN401  columns of times and numbers
        return _earlier(connection, moment, seconds)

    back: ColumnElement[float] = literal(step, Double())
    table = _PROJECTS.c
    too_far = now + _seconds(lease_seconds)
    planned = and_(table.next_check_at > now, earlier(table.next_check_at, func.coalesce(table.check_gap, 0.0)) > now)
    connection.execute(update(_PROJECTS).where(planned).values(next_check_at=earlier(table.next_check_at, back)))
    leased = {"leased_until": earlier(table.leased_until, back), "claimed_at": earlier(table.claimed_at, back)}
    connection.execute(update(_PROJECTS).where(table.leased_until > too_far).values(leased))
    # Checks after the end are due at fixed ages from this time on.
    settling = {"settling_since": earlier(table.settling_since, back)}
    connection.execute(update(_PROJECTS).where(table.settling_since > now).values(settling))
    # Pauses that are probed last a minute; one that the API asked for may rightly last for up to an hour.
    probed = and_(Account.paused_until > now + _seconds(PROBE_EVERY), Account.pause_reason != _RATE_LIMITED)
    connection.execute(update(Account).where(probed).values(paused_until=now + _seconds(PROBE_EVERY)))
    models: tuple[tuple[Any, Any, datetime], ...] = (
        (Lease, Lease.leased_until, too_far),
        (Account, Account.paused_until, now + _seconds(step)),
        (Account, Account.refilled_at, now),
        (Account, Account.answered_at, now),
        # An attempt that comes too early does no harm, and one planned within the step by the wrong time must not wait.
        (Delivery, Delivery.next_attempt_at, now),
        (Delivery, Delivery.leased_until, now),
        (Delivery, Delivery.confirm_by, now),
        (Destination, Destination.open_until, now),
        (Destination, Destination.looked_at, now),
    )
    for model, moment, beyond in models:
        connection.execute(update(model).where(moment > beyond).values({moment.key: earlier(moment, back)}))


def _seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def _earlier(connection: Connection, moment: Any, seconds: Any) -> ColumnElement[Any]:  # noqa: ANN401  as above
    if connection.dialect.name == "postgresql":
        return moment - func.make_interval(0, 0, 0, 0, 0, 0, seconds)  # type: ignore[no-any-return]  # an expression
    return func.strftime(_TIME, moment, "-" + cast(seconds, String) + " seconds") + "000"
