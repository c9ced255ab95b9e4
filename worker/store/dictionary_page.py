"""The data dictionary as a page: views first, because readers rely on them; then the tables.

``python -m worker.store.dictionary_page`` prints it; ``make dictionary`` writes docs/data-dictionary.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from worker.store.dictionary import VIEWS, about, meaning
from worker.store.models import Base

CONTRACT: Final = Path(__file__).parents[2] / "docs" / "view-contract.json"

_HEAD: Final = """\
# Data dictionary

Made by `make dictionary` from the models and `worker/store/dictionary.toml`: do not edit it here. PostgreSQL has
the same words as comments: `\\d+ projects`.

**Views are what readers may rely on.** Their columns only ever grow; [view-contract.json](view-contract.json) holds
that promise, and the tests hold us to it. Tables may change with any version. [queries.md](queries.md) has queries to
start from.

All times are UTC. Types are PostgreSQL's; on SQLite a time is text (`2026-09-25 17:34:24.446000`), a day is text
(`2026-09-25`), and a boolean is 0 or 1. A project is named by its `kind` and `project_id` together, everywhere.
"""

Contract = Mapping[str, Mapping[str, str]]


def contract() -> Contract:
    """Return what is promised to readers: view -> column -> type."""
    promised: Contract = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return promised


def page(promised: Contract) -> str:
    """Return the data dictionary in Markdown."""
    return "\n".join([_HEAD, *_views(promised), *_diagram(), *_tables()])


def _views(promised: Contract) -> Iterator[str]:
    yield "## Views\n"
    for view in VIEWS:
        yield f"- [`{view}`](#{view}): {about(view)}"
    yield ""
    for view in VIEWS:
        yield f"### `{view}`\n\n{about(view)}.\n\n| column | type | |\n|---|---|---|"
        for column, type_ in promised.get(view, {}).items():
            yield _row(column, type_, meaning(view, column))
        yield ""


def _row(column: str, type_: str, words: str) -> str:
    return f"| `{column}` | {type_} | {words} |"


def _diagram() -> Iterator[str]:
    yield "## How the tables hang together\n\n```mermaid\nerDiagram"
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            one = "|o" if key.parent.nullable else "||"
            yield f"    {key.column.table.name} {one}--o{{ {table.name} : {key.parent.name}"
    for table in Base.metadata.sorted_tables:
        yield f"    {table.name} {{"
        for column in table.columns:
            mark = " PK" if column.primary_key else " FK" if column.foreign_keys else ""
            yield f"        {_type(table, column.name).replace(' ', '_')} {column.name}{mark}"
        yield "    }"
    yield "```\n"


def _tables() -> Iterator[str]:
    yield "## Tables\n"
    for table in Base.metadata.sorted_tables:
        yield f"### Table `{table.name}`\n\n{about(table.name)}.\n\n| column | type | |\n|---|---|---|"
        for column in table.columns:
            optional = "" if not column.nullable else "; may be empty"
            yield _row(column.name, _type(table, column.name), meaning(table.name, column.name) + optional)
        yield ""


def _type(table: Table, column: str) -> str:
    return plain(table.columns[column].type.compile(dialect=postgresql.dialect()).lower())  # type: ignore[no-untyped-call]


def plain(type_: str) -> str:
    """Return PostgreSQL's name of a type without lengths: text is text."""
    bare = type_.partition("(")[0].strip()
    return "text" if bare in {"character varying", "varchar"} else bare


if __name__ == "__main__":
    sys.stdout.write(page(contract()))
