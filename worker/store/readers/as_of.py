"""What was known at a given time, from the append-only history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from worker.store.models import TrackedProject

_TIME: Final = TrackedProject.tracked_at.type

# SQL on the views, as docs/queries.md shows it to readers. PostgreSQL also has it as projects_as_of(moment).
_QUERY: Final = """
SELECT p.kind, p.project_id, p.account, t.to_status AS status, t.observed_at AS status_since,
  l.total_credits AS credits_charged, l.observed_at AS credits_since
FROM projects p
LEFT JOIN transitions t ON t.kind = p.kind AND t.project_id = p.project_id AND t.sequence = (
  SELECT max(e.sequence) FROM transitions e
  WHERE e.kind = p.kind AND e.project_id = p.project_id AND e.observed_at <= :moment)
LEFT JOIN credit_ledger l ON l.kind = p.kind AND l.project_id = p.project_id AND l.sequence = (
  SELECT max(e.sequence) FROM credit_ledger e
  WHERE e.kind = p.kind AND e.project_id = p.project_id AND e.observed_at <= :moment)
WHERE p.tracked_at <= :moment AND p.project_id IN :ids
ORDER BY p.kind, p.project_id
"""


def projects_as_of(connection: Connection, moment: datetime, project_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return what was known about projects at a time: the status and credits last observed by then.

    A project that was not yet tracked is omitted; one that was not yet seen has no status. ``moment`` is aware.
    """
    statement = (
        text(_QUERY)
        .bindparams(bindparam("moment", moment, type_=_TIME), bindparam("ids", list(project_ids), expanding=True))
        .columns(status_since=_TIME, credits_since=_TIME)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]
