"""How destinations do: the single source for the page, the API, the command line and health."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, exists, func, or_, select

from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.deliveries.states import STATES
from worker.domain.monitoring.facts import MOST_COUNTED
from worker.store.deliveries.destinations import IS_OPEN
from worker.store.engine import clock
from worker.store.models import Delivery, Destination
from worker.store.monitoring.definitions import is_unconfirmed, is_waiting

_DELIVERIES: Final[Any] = Delivery.__table__.c
_DESTINATIONS: Final[Any] = Destination.__table__.c
# The success rate and the counts by state are of this time, and of this many of the latest deliveries.
_PERIOD: Final = timedelta(hours=24)
_WINDOW: Final = 100_000
MOST_LISTED: Final = 200
_SHOWN: Final = (
    "name", "paused", "paused_at", "paused_by", "pause_reason", "failing_since", "open_until", "last_error",
    "last_success_at", "attempted_at", "last_status", "last_seconds",
)  # fmt: skip
_HAS_OPEN: Final = exists().where(_DELIVERIES.destination == _DESTINATIONS.name, IS_OPEN)
_COLUMNS: Final = (*(_DESTINATIONS[name] for name in _SHOWN), _HAS_OPEN.label("has_open"))
_IS_DELIVERED: Final = or_(
    _DELIVERIES.state == "confirmed", and_(_DELIVERIES.state == "sent", _DELIVERIES.confirm_by.is_(None))
)
# The latest attempt failed, and none succeeded since the last replay.
_IS_UNDELIVERED: Final = or_(
    _DELIVERIES.state.in_(("dead", "failed")),
    and_(_DELIVERIES.state == "pending", _DELIVERIES.last_error.is_not(None)),
)


def read_destinations(connection: Connection, configured: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return up to 200 destinations: those paused or failing first, then those used last.

    ``configured`` are those of the settings' routes; they are listed even if no event has gone there. ``success_rate``
    is the share, among the events of 24 hours of which an attempt was made, that is delivered; None if there is none.
    ``waiting`` and ``unconfirmed`` stop at 10,000; ``oldest_waiting_at`` is of those that are due first.
    """
    rows = connection.execute(_listed(*_COLUMNS)).mappings()
    counts = _counts(connection)
    found = {row["name"]: _report(connection, dict(row), counts.get(row["name"], {})) for row in rows.all()}
    for name in sorted(set(configured) - found.keys())[: MOST_LISTED - len(found)]:
        found[name] = _unused(connection, name)
    return list(found.values())


def list_names(connection: Connection, configured: Iterable[str] = ()) -> list[str]:
    """Return the names of the same destinations in the same order, without counting their deliveries."""
    stored = connection.scalars(_listed(_DESTINATIONS.name)).all()
    return [*stored, *sorted(set(configured) - set(stored))][:MOST_LISTED]


def _listed(*columns: Any) -> Select[Any]:  # noqa: ANN401  columns of any type
    is_failing = _DESTINATIONS.open_until.is_not(None)
    order = (_DESTINATIONS.paused.desc(), is_failing.desc(), _DESTINATIONS.attempted_at.desc().nulls_last(), "name")
    return select(*columns).order_by(*order).limit(MOST_LISTED)


def read_destination(connection: Connection, name: str) -> dict[str, Any]:
    """Return the same of one destination, which need not have had an event yet."""
    row = connection.execute(select(*_COLUMNS).where(_DESTINATIONS.name == name)).mappings().one_or_none()
    return _report(connection, dict(row), _counts(connection).get(name, {})) if row else _unused(connection, name)


def _unused(connection: Connection, name: str) -> dict[str, Any]:
    return _report(connection, dict.fromkeys(_SHOWN) | {"name": name, "paused": False, "has_open": False}, {})


def _report(connection: Connection, row: dict[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    has_open = row.pop("has_open")
    delivered, undelivered = counts.get("delivered", 0), counts.get("undelivered", 0)
    tried = delivered + undelivered
    row |= {state: counts.get(state, 0) for state in STATES}
    row |= {"success_rate": delivered / tried if tried else None, "shown": shown_destination(row["name"])}
    row |= _open(connection, row["name"]) if has_open else {"waiting": 0, "unconfirmed": 0, "oldest_waiting_at": None}
    return row


def _counts(connection: Connection) -> dict[str, Mapping[str, int]]:
    """Count the latest deliveries by destination and outcome."""
    top = connection.scalar(select(func.max(_DELIVERIES.id))) or 0
    outcomes: dict[str, Any] = {state: _DELIVERIES.state == state for state in STATES}
    outcomes |= {"delivered": _IS_DELIVERED, "undelivered": _IS_UNDELIVERED}
    sums = [func.sum(case((condition, 1), else_=0)).label(name) for name, condition in outcomes.items()]
    is_recent = and_(_DELIVERIES.id > top - _WINDOW, _DELIVERIES.created_at >= clock(connection) - _PERIOD)
    statement = select(_DELIVERIES.destination, *sums).where(is_recent).group_by(_DELIVERIES.destination)
    return {
        row["destination"]: {name: int(row[name]) for name in outcomes}
        for row in connection.execute(statement).mappings()
    }


def _open(connection: Connection, name: str) -> dict[str, Any]:
    """Count what waits at a destination."""

    def some(condition: Any) -> Any:  # noqa: ANN401  SQL
        wanted = select(_DELIVERIES.created_at).where(_DELIVERIES.destination == name, condition)
        return wanted.order_by(_DELIVERIES.next_attempt_at).limit(MOST_COUNTED).subquery()

    waiting = some(is_waiting())
    count, oldest = connection.execute(select(func.count(), func.min(waiting.c.created_at)).select_from(waiting)).one()
    unconfirmed = connection.scalar(select(func.count()).select_from(some(is_unconfirmed())))
    return {"waiting": count, "unconfirmed": unconfirmed or 0, "oldest_waiting_at": oldest}
