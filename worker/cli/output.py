"""How things look: times, credits and tables for people; JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES: Final[Mapping[str, str]] = {
    "complete": "green",
    "error": "red",
    "canceled": "yellow",
    "rendering": "cyan",
    "queued": "blue",
    "settling": "magenta",
    "closed": "dim",
}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def print_json(value: object) -> None:
    """Print one JSON document; times are ISO 8601 with their zone."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def print_json_line(value: object) -> None:
    """Print one JSON document in one line, at once."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def console() -> Console:
    """Return where output for people goes. In a pipe lines are not cut."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=200)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table without frames."""
    made = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    return made


def word(value: object) -> Text:
    """Return a status or a state in its colour. What the API sent is never taken for markup."""
    return Text(shown(value), style=_STYLES.get(str(value), ""))


def shown(value: Any) -> str:  # noqa: ANN401  anything that a column can hold
    """Return a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return "".join(character if character.isprintable() else "\ufffd" for character in str(value))


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def signed(amount: int) -> str:
    """Return an amount of credits with its sign."""
    return f"{amount:+d}"


def harmless(value: object) -> object:
    """Return a text that no spreadsheet takes for a formula; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
