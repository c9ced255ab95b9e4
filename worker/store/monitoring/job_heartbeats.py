"""When recurring jobs last ran.

``beat`` is the scheduler, ``dispatch`` a round of claims, ``check`` a batch that was recorded, ``intake`` a worker that
read the intake queue, and ``intake_failure`` one that could not.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, or_, select, update

from worker.domain.monitoring.facts import JobHeartbeat
from worker.store.engine import clock
from worker.store.models import Heartbeat
from worker.store.scheduling.rate_limits import insert_ignoring

_LONGEST_PROBLEM: Final = 300


def record_heartbeat(connection: Connection, name: str, problem: str | None = None) -> None:
    """Record that a job ran now, and what kept it from working, if anything."""
    values = {"beat_at": clock(connection), "problem": problem and problem.replace("\x00", "")[:_LONGEST_PROBLEM]}
    noted = connection.execute(update(Heartbeat).where(Heartbeat.name == name).values(values))
    if not noted.rowcount:
        # The first time, two processes may both find none; one row is enough.
        connection.execute(insert_ignoring(connection, Heartbeat).values(name=name, **values))


def record_heartbeat_if_older(connection: Connection, name: str, seconds: float) -> None:
    """Record that a job ran now, unless that was recorded less than ``seconds`` ago."""
    now = clock(connection)
    old = or_(Heartbeat.beat_at < now - timedelta(seconds=seconds), Heartbeat.beat_at > now)  # a clock was set back
    noted = connection.execute(update(Heartbeat).where(Heartbeat.name == name, old).values(beat_at=now))
    if not noted.rowcount:
        connection.execute(insert_ignoring(connection, Heartbeat).values(name=name, beat_at=now))


def read_heartbeats(connection: Connection) -> defaultdict[str, JobHeartbeat]:
    """Return when each job last ran, and what kept it from its work then, by name."""
    rows = connection.execute(select(Heartbeat.name, Heartbeat.beat_at, Heartbeat.problem))
    return defaultdict(JobHeartbeat, {name: JobHeartbeat(at, problem) for name, at, problem in rows})


def last_heartbeat(connection: Connection, name: str) -> datetime | None:
    """Return when a job last ran, if it ever did."""
    return connection.scalar(select(Heartbeat.beat_at).where(Heartbeat.name == name))
