"""When recurring jobs last ran."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from worker.store.accounts import insert_ignoring
from worker.store.engine import clock
from worker.store.models import Heartbeat


def beat(connection: Connection, name: str) -> None:
    """Note that a job ran now."""
    now = clock(connection)
    noted = connection.execute(update(Heartbeat).where(Heartbeat.name == name).values(beat_at=now))
    if not noted.rowcount:
        # Two may find none at the same time, the first time; one of them is enough.
        connection.execute(insert_ignoring(connection, Heartbeat).values(name=name, beat_at=now))


def last_beat(connection: Connection, name: str) -> datetime | None:
    """Return when a job last ran, if it ever did."""
    return connection.scalar(select(Heartbeat.beat_at).where(Heartbeat.name == name))
