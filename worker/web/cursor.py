"""Where the next page begins, as a text that only we read."""

import base64
import binascii
import json
from datetime import datetime

from worker.store.search import Position, Sort

_LARGEST = 2**63 - 1


class CursorError(ValueError):
    """A cursor that is not one of ours, or belongs to another order."""


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
            good = value.tzinfo is not None
        else:
            good = isinstance(value, int) if sort == "credits" else value is None
        if good and given == sort and isinstance(row, int) and not isinstance(row, bool):
            numbers = [row] + ([value] if isinstance(value, int) else [])
            if all(-_LARGEST <= number <= _LARGEST for number in numbers):
                return value, row
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
        pass
    raise CursorError(f"this is no cursor of a list that is sorted by {sort}; leave it out to begin at the start")
