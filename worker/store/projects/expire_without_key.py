"""Expiring projects of accounts without an API key, which no worker can check."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from worker.domain.projects.apply_observation import close
from worker.domain.projects.events import numbered
from worker.domain.projects.observation import FailureKind
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project
from worker.store.engine import clock
from worker.store.models import TrackedProject
from worker.store.projects.mapping import to_project, to_values
from worker.store.projects.write_changes import Change, Routes, store_changes

_PROJECTS: Final[Any] = TrackedProject.__table__


def expire_without_key(
    connection: Connection, keys: Collection[str], give_up_after: float, routes: Routes, most: int
) -> int:
    """Expire open projects that were not seen for ``give_up_after`` seconds and whose account is not in ``keys``.

    If another worker has the account's key, it checks the projects, so they are not affected. Returns how many were
    closed, at most ``most``.
    """
    now = clock(connection)
    since = now - timedelta(seconds=give_up_after)
    columns = _PROJECTS.c
    statement = (
        select(_PROJECTS)
        .where(columns.state != "closed", columns.account.not_in(sorted(keys)), columns.lease_token.is_(None))
        .where(columns.opened_at <= since, func.coalesce(columns.last_observed_at, columns.opened_at) <= since)
        .order_by(columns.id)
        .limit(most)
        .with_for_update(skip_locked=True, key_share=True)
    )
    rows = connection.execute(statement).mappings().all()
    changes = []
    for row in rows:
        before = to_project(row)
        change = Change(row["id"], before, _expired(before, now), row["notify"], now, "poll")
        old, new = to_values(before), to_values(change.outcome.project)
        values = {name: value for name, value in new.items() if value != old[name]}
        connection.execute(update(_PROJECTS).where(columns.id == row["id"]).values(values | {"next_check_at": None}))
        changes.append(change)
    store_changes(connection, changes, routes)
    return len(changes)


def _expired(before: Project, now: datetime) -> Outcome:
    detail = f"account {before.account!r} has no API key"
    failed = replace(
        before,
        last_problem=str(FailureKind.UNAUTHORIZED),
        last_problem_detail=detail,
        last_problem_message=None,
        last_problem_at=now,
        failing_since=before.failing_since or now,
        failure_count=before.failure_count + 1,
    )
    after, pending = close(failed, "expired", now)
    events = numbered(before, pending)
    return Outcome(replace(after, event_count=before.event_count + len(events)), None, events=events)
