"""Whether everything stands still though it should not."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, exists, or_, select

from worker.store.engine import clock
from worker.store.heartbeat import last_beat
from worker.store.models import Account, TrackedProject

_PROJECTS: Final[Any] = TrackedProject.__table__


def work_waits(connection: Connection, seconds: float) -> bool:
    """Whether a project has been due for so long, free and of no paused account, and nothing was dispatched since."""
    now = clock(connection)
    since = now - timedelta(seconds=seconds)
    dispatched = last_beat(connection, "dispatch")
    if dispatched is not None and dispatched > since:
        return False
    paused = exists().where(Account.name == _PROJECTS.c.account, Account.paused_until > now)
    free = or_(_PROJECTS.c.leased_until.is_(None), _PROJECTS.c.leased_until < since)
    due = select(_PROJECTS.c.id).where(_PROJECTS.c.next_check_at < since, free, ~paused).limit(1)
    return connection.scalar(due) is not None
