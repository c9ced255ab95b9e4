"""Output formats: times, credits and tables for people, JSON for programs."""

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


def print_json(value: object) -> None:
    """Print a JSON document; times are ISO 8601 with a time zone."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def print_json_line(value: object) -> None:
    """Print a JSON document on one line, and flush."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def console() -> Console:
    """Return the console for people. In a pipe, lines are not wrapped or cut."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=200)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table without borders."""
    made = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    return made


def word(value: object) -> Text:
    """Return a status or a state in its colour. Text from the API is never parsed as markup."""
    return Text(shown(value), style=_STYLES.get(str(value), ""))


def shown(value: Any) -> str:  # noqa: ANN401  anything that a column can hold
    """Return a value formatted for people."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return "".join(character if character.isprintable() else "\ufffd" for character in str(value))


def signed(amount: int) -> str:
    """Return an amount of credits with its sign."""
    return f"{amount:+d}"
