"""Opaque cursors for the next page of a list."""

import base64
import binascii
import json
from datetime import datetime

from worker.store.projects.search import Position, Sort

_LARGEST = 2**63 - 1
_LAST_YEAR = 9999


class CursorError(ValueError):
    """An invalid cursor, or one of another sort order."""


def write_cursor(sort: Sort, position: Position) -> str:
    """Return a cursor."""
    value, row = position
    shown = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, shown, row]).encode()).decode().rstrip("=")


def read_cursor(sort: Sort, text: str) -> Position:
    """Return the position of a cursor. Raises CursorError."""
    try:
        padded = text + "=" * (-len(text) % 4)
        given, value, row = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        if sort in ("due", "finished"):
            value = datetime.fromisoformat(value)
            good = value.tzinfo is not None and 1 < value.year < _LAST_YEAR  # a zone could take it out of the calendar
        else:
            good = isinstance(value, int) and not isinstance(value, bool) if sort == "credits" else value is None
        if good and given == sort and isinstance(row, int) and not isinstance(row, bool):
            numbers = [row] + ([value] if isinstance(value, int) else [])
            if all(-_LARGEST <= number <= _LARGEST for number in numbers):
                return value, row
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        pass
    raise CursorError(f"this is not a cursor of a list sorted by {sort}; omit it to start at the beginning")
