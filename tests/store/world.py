"""Short words for what every test of the store does, and a way to let time pass without waiting for it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, Table, select, text, update

from worker.domain.intake.request import TrackRequest
from worker.domain.projects.observation import Answer, Observation
from worker.domain.projects.status import Kind
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.rate_limit import Limits
from worker.domain.scheduling.schedule import Plan
from worker.store.engine import Database
from worker.store.intake.store_requests import Stored, store_requests
from worker.store.models import Account, Base, TrackedProject
from worker.store.projects.recording import Recorded, record_batch
from worker.store.projects.write_changes import Routes
from worker.store.scheduling.claims import claim_due
from worker.store.scheduling.leases import Batch, Lease, begin_batch
from worker.store.types import UtcDateTime

PLAN: Final = Plan()
PLENTY: Final = Limits(rate=10_000, burst=20_000)
LEASE: Final = 60.0
CREATED: Final = datetime(2026, 9, 25, 17, 34, 24, tzinfo=UTC)
ROUTES: Final = {"*": ["celery:news.archive"], "project.completed": ["celery:billing.book?queue=billing"]}
# What is never updated keeps its times.
_MOVING: Final = ("accounts", "tracked_projects", "leases", "deliveries", "destinations", "heartbeats")


def name(number: int) -> str:
    """A project id."""
    return f"project-{number:06}"


def request(number: int, **fields: Any) -> TrackRequest:  # noqa: ANN401  whatever field a test cares about
    return TrackRequest(**{"kind": "video", "project_id": name(number), "account": "default", **fields})


def track(database: Database, *requests: TrackRequest | int) -> Stored:
    with database.write() as connection:
        return store_requests(connection, [request(each) if isinstance(each, int) else each for each in requests])


def fill(database: Database, tokens: float = 1000) -> None:
    """Let every account have saved up requests."""
    with database.write() as connection:
        connection.execute(update(Account).values(tokens=tokens))


def claim(  # noqa: PLR0913  as claim_due
    database: Database,
    limits: Limits = PLENTY,
    *,
    batch_size: int = 50,
    max_in_flight: int = 10_000,
    lease_seconds: float = LEASE,
    full: bool = True,
    durations: Durations = Durations(),  # noqa: B008  never changed
    with_key: Collection[str] | None = None,
) -> list[Batch]:
    """Claim what is due, with an allowance that is ``full`` or as it happens to be."""
    if full:
        fill(database, limits.bucket)
    with database.write() as connection:
        return claim_due(
            connection,
            limits,
            durations,
            lease_seconds=lease_seconds,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
            with_key=with_key,
        )


def begin(database: Database, token: str) -> Lease | None:
    with database.write() as connection:
        return begin_batch(connection, token)


def hold(database: Database) -> Lease:
    """Claim and begin the one batch that is due."""
    (batch,) = claim(database)
    lease = begin(database, batch.token)
    assert lease
    return lease


def seen(status: str = "queued", credits_charged: int = 450, **fields: Any) -> Observation:  # noqa: ANN401  as above
    given = {"project_id": "whichever", "enabled": True, "created_at": CREATED, **fields}
    return Observation(status=status, credits_charged=credits_charged, **given)


def record(
    database: Database, lease: Lease, answers: Answer | Mapping[int, Answer], routes: Routes = ROUTES
) -> Recorded:
    """Record answers by row, or the same one for every project of the lease."""
    each = answers if isinstance(answers, Mapping) else {held.id: answers for held in lease.claims}
    with database.write() as connection:
        return record_batch(connection, lease, each, PLAN, routes)


def answer(database: Database, *answers: Answer) -> list[Recorded]:
    """Let one project get these answers, one after the other, each as soon as it is due."""
    recorded = []
    for one in answers:
        make_due(database)
        recorded.append(record(database, hold(database), one))
    return recorded


def make_due(database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            update(TrackedProject).where(TrackedProject.next_check_at.is_not(None)).values(next_check_at=CREATED)
        )


def pass_time(database: Database, seconds: float) -> None:
    """Let everything stored have happened, or be planned, that much earlier: as if the time had passed."""
    with database.write() as connection:
        for table in (Base.metadata.tables[name] for name in _MOVING):
            _move(connection, table, seconds)


def _move(connection: Connection, table: Table, seconds: float) -> None:
    times = [column for column in table.columns if isinstance(column.type, UtcDateTime)]
    if connection.dialect.name == "sqlite":
        moved = "strftime('%Y-%m-%d %H:%M:%f', {0}, '{1:+f} seconds') || '000'"
    else:
        moved = "{0} + interval '{1:f} seconds'"
    values = {column: text(moved.format(column.name, -seconds)) for column in times}
    connection.execute(update(table).values(values))


def older(lease: Lease, seconds: float) -> Lease:
    """A lease that a worker has in hand, after so much time has passed."""
    return replace(lease, begun_at=lease.begun_at - timedelta(seconds=seconds))


def rows(database: Database, statement: Select[Any]) -> Sequence[RowMapping]:
    with database.read() as connection:
        return connection.execute(statement).mappings().all()


def stored(database: Database, model: Any) -> list[dict[str, Any]]:  # noqa: ANN401  any model
    """All rows of a table, in the order of its key."""
    table = model.__table__
    return [dict(row) for row in rows(database, select(table).order_by(*table.primary_key.columns))]


def project(database: Database, number: int = 1, kind: Kind = "video") -> dict[str, Any]:
    (found,) = (
        each for each in stored(database, TrackedProject) if (each["kind"], each["project_id"]) == (kind, name(number))
    )
    return found


def change(database: Database, number: int = 1, **values: Any) -> None:  # noqa: ANN401  any column
    """Set columns of a project, as if that had happened."""
    with database.write() as connection:
        connection.execute(update(TrackedProject).where(TrackedProject.project_id == name(number)).values(values))


def of(table: Iterable[Mapping[str, Any]], *columns: str) -> list[Any]:
    """One column of rows, or tuples of several."""
    return [row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns) for row in table]
