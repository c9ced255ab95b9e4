"""The daily scan of all projects for violated invariants: a few at a time, resuming where the last run stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from worker.store.engine import clock
from worker.store.models import InvariantScan, TrackedProject
from worker.store.monitoring.invariants import project_violations

_EVERY: Final = timedelta(days=1)
_SCAN: Final[Any] = InvariantScan.__table__
_ID: Final[Any] = TrackedProject.__table__.c.id


def scan_invariants(connection: Connection, projects: int) -> Mapping[str, int] | None:
    """Count the violations among the next projects, and note how far the scan is.

    Returns None when there is nothing to do: another process is running it, or today's scan is over.
    """
    row = connection.execute(select(_SCAN).with_for_update(skip_locked=True)).mappings().first()
    if row is None:
        return None
    now, started_at = clock(connection), row["started_at"]
    if row["position"] == 0:
        if started_at is not None and timedelta() <= now - started_at < _EVERY:
            return None
        started_at = now
    ids = select(_ID).where(row["position"] < _ID).order_by(_ID).limit(projects).subquery()
    last = connection.scalar(select(func.max(ids.c.id)))
    if last is None:
        found = row["violations"]
        since = row["violated_since"] if found else None  # only a whole scan without any proves that they are gone
        values = {"position": 0, "violations": 0, "last_violations": found, "scanned_at": now, "violated_since": since}
        connection.execute(update(_SCAN).values(**values, started_at=started_at))
        return None
    counts = project_violations(connection, row["position"], last)
    found = row["violations"] + sum(counts.values())
    since = row["violated_since"] or (now if found else None)
    connection.execute(
        update(_SCAN).values(position=last, violations=found, violated_since=since, started_at=started_at)
    )
    return counts


@dataclass(frozen=True, slots=True)
class ScanResult:
    """How many violations are known, since when there are any, and when a whole scan last ended."""

    violations: int = 0
    since: datetime | None = None
    scanned_at: datetime | None = None


def read_scan(connection: Connection) -> ScanResult:
    """Return what the last whole scan and the one under way have found."""
    row = connection.execute(select(_SCAN)).mappings().first()
    if row is None:
        return ScanResult()
    return ScanResult(max(row["violations"], row["last_violations"]), row["violated_since"], row["scanned_at"])
