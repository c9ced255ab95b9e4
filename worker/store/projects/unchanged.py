"""Recording unchanged projects, the result of most checks: few columns are read, and one statement writes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Double,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    update,
)

from worker.domain.projects.observation import Answer, Observation
from worker.domain.projects.project import RunningProject
from worker.domain.projects.status import WAITING
from worker.domain.projects.unchanged import unchanged_gap
from worker.domain.scheduling.schedule import Plan
from worker.store.models import TrackedProject
from worker.store.scheduling.leases import Lease
from worker.store.types import UtcDateTime, listed

_TABLE: Final[Any] = TrackedProject.__table__
_COLUMNS: Final[Any] = _TABLE.c
# The condition under which these columns are enough.
_QUIET: Final = and_(
    _COLUMNS.state == "active",
    _COLUMNS.failure_count == 0,
    _COLUMNS.missing_count == 0,
    _COLUMNS.missing_since.is_(None),
    _COLUMNS.last_problem.is_(None),
    _COLUMNS.error_code.is_(None),
    _COLUMNS.error_message.is_(None),
    _COLUMNS.hinted_at.is_(None),
    cast(_COLUMNS.downloads, Text) == "[]",
    or_(_COLUMNS.status != "rendering", _COLUMNS.started_at.is_not(None)),
)
_MINE: Final = (
    select(
        _COLUMNS.id, func.coalesce(_QUIET, False).label("quiet"), *(_COLUMNS[name] for name in RunningProject._fields)
    )
    .where(listed(_COLUMNS.id, "ids"), _COLUMNS.lease_token == bindparam("token"))
    .order_by(_COLUMNS.id)
    .with_for_update(key_share=True)
)


_ASKED_AT: Final = bindparam("asked_at", type_=UtcDateTime())
_NOW: Final = bindparam("now", type_=UtcDateTime())


def lock_batch(connection: Connection, lease: Lease) -> Sequence[Any]:
    """Lock the projects that have this lease, in the order of their ids, and return what record_unchanged() needs."""
    return connection.execute(_MINE, {"ids": [claim.id for claim in lease.claims], "token": lease.token}).all()


def record_unchanged(
    connection: Connection,
    rows: Sequence[Any],
    answers: Mapping[int, Answer],
    plan: Plan,
    asked_at: datetime,
    now: datetime,
) -> set[int]:
    """Record projects that have not changed, and release them. Returns which ones these are."""
    gaps: dict[int, float] = {}
    for row in rows:
        id_, quiet, *values = row
        answer = answers.get(id_)
        if quiet and isinstance(answer, Observation):
            gap = unchanged_gap(RunningProject(*values), answer, now, plan)
            if gap is not None:
                gaps[id_] = gap
    if gaps:
        _update(connection, gaps, asked_at, now)
    return set(gaps)


def _update(connection: Connection, gaps: Mapping[int, float], asked_at: datetime, now: datetime) -> None:
    moments: dict[str, Any] = {"now": now, "asked_at": asked_at}
    if connection.dialect.name == "postgresql":
        connection.execute(_ALL, moments | {"_ids": list(gaps), "_gaps": list(gaps.values())})
        return
    each = [{"_id": id_, "_gap": gap, "_time": now + timedelta(seconds=gap)} | moments for id_, gap in gaps.items()]
    connection.execute(_EACH, each)


def _unchanged(id_: Any, time: Any, gap: Any) -> Update:  # noqa: ANN401  columns or parameters
    return (
        update(_TABLE)
        .where(_COLUMNS.id == id_)
        .values(
            # Dated to before the request; a clock that was set back must not reverse history.
            last_observed_at=case((_COLUMNS.last_observed_at < _ASKED_AT, _ASKED_AT), else_=_COLUMNS.last_observed_at),
            # Not IN: SQLAlchemy does not allow expanding parameters in executemany.
            queued_at=case(
                (or_(*(_COLUMNS.status == each for each in sorted(WAITING))), _NOW), else_=_COLUMNS.queued_at
            ),
            next_check_at=time,
            check_gap=gap,
            check_count=_COLUMNS.check_count + 1,
            lease_token=None,
            leased_until=None,
            claimed_at=None,
        )
    )


_EACH: Final = _unchanged(bindparam("_id"), bindparam("_time", type_=UtcDateTime()), bindparam("_gap", type_=Double()))
_LIST: Final = func.unnest(
    bindparam("_ids", type_=ARRAY(BigInteger)),
    bindparam("_gaps", type_=ARRAY(Double)),
).table_valued("id", "gap", name="given")
_GIVEN: Final = _LIST.render_derived()
_ALL: Final = _unchanged(_GIVEN.c.id, _NOW + func.make_interval(0, 0, 0, 0, 0, 0, _GIVEN.c.gap), _GIVEN.c.gap)
