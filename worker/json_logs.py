"""Logs as JSON, one object per line of at most 16 KiB, for log collectors."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

_LONGEST: Final = 8000
_LONGEST_VALUE: Final = 500
_MOST_ENTRIES: Final = 10
_MOST_FIELDS: Final = 12


class JsonFormatter(logging.Formatter):
    """Writes time, level, event, message, fields, the error if there is one, and the fields of ``context``."""

    def __init__(self, context: Callable[[], Mapping[str, str]] = dict) -> None:
        """``context`` returns additional fields, such as the current task."""
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        name, fields = getattr(record, "event", None), getattr(record, "fields", None)
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **({"event": name} if isinstance(name, str) else {}),
            "message": _cut(record.getMessage(), _LONGEST),
            "logger": record.name,
            **(_bounded(fields) if isinstance(fields, Mapping) else {}),
            **self._context(),
            "process": record.process,
        }
        if record.exc_info:
            # The end of a traceback says what happened, so the beginning is cut.
            line["error"] = self.formatException(record.exc_info)[-_LONGEST // 2 :]
        return json.dumps(line, ensure_ascii=False)


def _bounded(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _value(value) for name, value in list(fields.items())[:_MOST_FIELDS] if value is not None}


def _value(value: object) -> object:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_cut(str(entry), _LONGEST_VALUE // 5) for entry in value[:_MOST_ENTRIES]]
    return _cut(str(value), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def wants_json(log_format: str) -> bool:
    """Whether to write JSON. ``auto`` means text on a terminal and JSON everywhere else."""
    return not sys.stderr.isatty() if log_format == "auto" else log_format == "json"


def use_json(logger: logging.Logger, context: Callable[[], Mapping[str, str]] = dict) -> None:
    """Make all handlers of a logger write JSON."""
    for handler in logger.handlers:
        handler.setFormatter(JsonFormatter(context))
