"""Taking in the requests that other services send in SQL; dispatch does it each second."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from worker.domain.intake import bounded_json
from worker.domain.intake.request import Sender
from worker.domain.log_events import event
from worker.domain.scheduling.durations import Durations
from worker.settings import Settings
from worker.store.engine import Database, LockTimeoutError, StoreUnavailableError
from worker.store.intake.rejections import store_rejections
from worker.store.intake.sql_requests import SentRow, delete_rows, due_rows, lock_rows, postpone_row
from worker.store.intake.store_requests import Stored, store_requests
from worker.tracking.intake.track import IntakeResult, Rejection, combine, judge, result_of

# Rows in one transaction. More transactions follow for a second, and the next dispatch continues.
MOST_ROWS: Final = 1000
_SECONDS: Final = 1.0
# How long one dispatch may look for the row that cannot be stored.
_MOST_SECONDS: Final = 3.0
_NOT_JSON: Final = 'the column request is not JSON; it must hold an object like {"kind": "video", "project_id": "…"}'
_log: Final = logging.getLogger(__name__)


def take_in(database: Database, settings: Settings, durations: Durations) -> IntakeResult | None:
    """Track or reject what waits in ``track_requests``, for about a second. Returns None if nothing did.

    A row leaves the table in the transaction that stores its project or its rejection. Raises StoreUnavailableError.
    """
    started = time.monotonic()
    parts: list[IntakeResult] = []
    while time.monotonic() - started < _SECONDS:
        with database.read_once() as connection:
            ids = due_rows(connection, MOST_ROWS)
        taken, count = (
            _take(database, settings, durations, ids, started + _MOST_SECONDS) if ids else (IntakeResult(), 0)
        )
        if not count:
            break
        parts.append(taken)
    return combine(parts) if parts else None


def _take(
    database: Database, settings: Settings, durations: Durations, ids: Sequence[int], until: float
) -> tuple[IntakeResult, int]:
    """Take rows in, together if possible. Returns the result, and how many rows are done."""
    try:
        return database.transact(partial(_store, settings, durations, ids))
    except Exception as error:
        if isinstance(error, StoreUnavailableError) and not isinstance(error, LockTimeoutError):
            raise
        if len(ids) == 1:
            return _set_aside(database, ids[0], error)
    if time.monotonic() > until:
        return IntakeResult(), 0
    half = len(ids) // 2
    parts = [_take(database, settings, durations, part, until) for part in (ids[:half], ids[half:])]
    return combine([result for result, _ in parts]), sum(count for _, count in parts)


def _store(
    settings: Settings,
    durations: Durations,
    ids: Sequence[int],
    connection: Any,  # noqa: ANN401  a connection of the store's
) -> tuple[IntakeResult, int]:
    rows = lock_rows(connection, ids)
    sound, items, rejected = _read(rows)
    good, wrong, positions = judge(settings, items, [Sender(rows[at].sent_by) for at in sound])
    plan = replace(settings.plan, durations=durations)
    stored = store_requests(connection, good, with_key=settings.accounts.keys(), plan=plan) if good else Stored()
    refused = [(positions[id(one.request)], one.reason, one.code) for one in stored.refused]
    rejected += [Rejection(sound[one.position], one.request, one.reason) for one in wrong]
    rejected += [Rejection(sound[at], items[at], reason, code) for at, reason, code in refused]
    _keep(connection, [(rows[one.position], one.reason) for one in rejected])
    delete_rows(connection, [row.id for row in rows])
    return result_of(stored, rejected), len(rows)


def _read(rows: Sequence[SentRow]) -> tuple[list[int], list[Any], list[Rejection]]:
    """Parse what was sent. Returns the positions of rows that hold JSON, what they hold, and the others."""
    sound: list[int] = []
    items: list[Any] = []
    unreadable: list[Rejection] = []
    for at, row in enumerate(rows):
        try:
            items.append(bounded_json.loads(row.request))
        except ValueError:
            unreadable.append(Rejection(at, None, _NOT_JSON))
        else:
            sound.append(at)
    return sound, items, unreadable


def _keep(connection: Any, rejected: Sequence[tuple[SentRow, str]]) -> None:  # noqa: ANN401  as above
    store_rejections(
        connection,
        [(row.request.decode("utf-8", "replace"), reason) for row, reason in rejected],
        rows=[(row.id, row.sent_by) for row, _ in rejected],
    )


def _set_aside(database: Database, id_: int, error: Exception) -> tuple[IntakeResult, int]:
    """Leave a row that waits for a lock until later; reject one that failed because of a bug."""
    if isinstance(error, LockTimeoutError):
        problem = "another transaction has locked its project or account; it is tried again each minute"
        _log.warning("row %d of track_requests waits: %s", id_, problem, extra=event("track_request_waits", row=id_))
        with database.write() as connection:
            postpone_row(connection, id_, problem)
        return IntakeResult(), 1
    _log.error("row %d of track_requests cannot be stored", id_, exc_info=error, extra=event("request_failed"))
    reason = f"internal error: {type(error).__name__}; see the worker's log"
    with database.write() as connection:
        _keep(connection, [(row, reason) for row in lock_rows(connection, [id_])])
        delete_rows(connection, [id_])
    return IntakeResult(rejected=(Rejection(0, None, reason),)), 1
