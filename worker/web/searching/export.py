"""Exporting the projects that match, row by row, in constant memory."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from worker.formatting import harmless
from worker.store.engine import Database
from worker.store.projects.search import Search, latest_id, matching

COLUMNS: Final = (
    "kind", "project_id", "account", "type", "name", "status", "state", "close_reason", "credits_charged",
    "expected_credits", "error_code", "error_message", "created_at", "tracked_at", "started_at", "finished_at",
    "stalled_at", "closed_at", "last_observed_at", "next_check_at", "check_count", "failure_count", "last_problem",
    "tracked_by", "metadata",
)  # fmt: skip


def export_csv(database: Database, search: Search) -> Iterator[str]:
    """Yield the lines of a CSV file with a header, newest project first."""
    yield _line(COLUMNS)
    for row in _rows(database, search):
        yield _line([_cell(row[name]) for name in COLUMNS])


def export_json(database: Database, search: Search) -> Iterator[str]:
    """Yield the parts of a JSON array of objects, newest project first."""
    before = "["
    for row in _rows(database, search):
        yield before + json.dumps({name: _value(row[name]) for name in COLUMNS}, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[" else "]\n"


def _rows(database: Database, search: Search) -> Iterator[Mapping[Any, Any]]:
    """Yield every project that matches and was tracked before now. No transaction is open while the reader is slow."""
    with database.read() as connection:
        below = latest_id(connection) + 1
    while True:
        with database.read() as connection:
            rows = matching(connection, search, below=below)
        if not rows:
            return
        yield from rows
        below = rows[-1]["id"]


def _line(cells: object) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # type: ignore[arg-type]  # any iterable
    return line.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime):
        return value.isoformat()
    return harmless(value) if isinstance(value, str) else value


def _value(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
