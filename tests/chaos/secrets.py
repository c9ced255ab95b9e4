"""Looks for secrets where none may be: in every log line and in every stored row."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import inspect

from tests.celery.world import Store

# A download's address is a secret by its signed query.
SIGNED: Final = re.compile(r"X-Goog-(Signature|Credential|Algorithm)|[?&](Signature|sig)=", re.IGNORECASE)


def in_logs(secrets: Sequence[str], logs: Mapping[str, str]) -> list[str]:
    """Return the files and lines in which a secret or a signed query stands."""
    return [f"{name}, line {number}" for name, number, line in _lines(logs) if _tells(line, secrets)]


def in_rows(secrets: Sequence[str], store: Store) -> list[str]:
    """Return the tables and columns in which one stands."""
    return [f"{table}.{column}" for table, column, value in _cells(store) if _tells(value, secrets)]


def _tells(text: str, secrets: Sequence[str]) -> bool:
    return bool(SIGNED.search(text)) or any(secret in text for secret in secrets)


def _lines(logs: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
    for name, text in logs.items():
        for number, line in enumerate(text.splitlines(), 1):
            yield name, number, line


def _cells(store: Store) -> Iterator[tuple[str, str, str]]:
    """Return every cell of every table as text, except the downloads, which are there to be used."""
    with store.database.read() as connection:
        tables = inspect(connection).get_table_names()
    for table in tables:
        for row in store.rows(f'SELECT * FROM "{table}"'):
            for column, value in row.items():
                if (table, column) != ("tracked_projects", "downloads"):
                    yield table, column, _text(_without_downloads(table, column, value))


def _without_downloads(table: str, column: str, value: Any) -> Any:  # noqa: ANN401  whatever is stored
    if (table, column) != ("events", "payload"):
        return value
    payload = json.loads(value) if isinstance(value, str) else dict(value)
    payload.pop("downloads", None)
    return payload


def _text(value: Any) -> str:  # noqa: ANN401  whatever is stored
    return value if isinstance(value, str) else json.dumps(value, default=str)
