"""Descriptions of tables, views and columns, for comments in PostgreSQL and for the data dictionary."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, inspect

_FILE: Final = Path(__file__).with_name("dictionary.toml")
_WORDS: Final = tomllib.loads(_FILE.read_text(encoding="utf-8"))

TABLES: Final[Mapping[str, Mapping[str, str]]] = _WORDS["tables"]
VIEWS: Final[Mapping[str, Mapping[str, str]]] = _WORDS["views"]
_COMMON: Final[Mapping[str, str]] = _WORDS["columns"]


def about(relation: str) -> str:
    """Return what a row of a table or view is; an empty string if it is not described."""
    return _own(relation).get("about", "")


def meaning(relation: str, column: str) -> str:
    """Return what a column means; an empty string if it is not described."""
    return _own(relation).get(column) or _COMMON.get(column, "")


def _own(relation: str) -> Mapping[str, str]:
    return TABLES.get(relation) or VIEWS.get(relation, {})


def describe(metadata: MetaData) -> None:
    """Set the descriptions as comments of the models, so that migrations include them."""
    for table in metadata.tables.values():
        table.comment = about(table.name) or None
        for column in table.columns:
            column.comment = meaning(table.name, column.name) or None


def write_comments(connection: Connection) -> None:
    """Write the descriptions as comments of the existing tables and views; only PostgreSQL has comments."""
    if connection.dialect.name == "postgresql":
        for statement in _comments(connection):
            connection.exec_driver_sql(statement)


def _comments(connection: Connection) -> Iterator[str]:
    inspector = inspect(connection)
    found = {"TABLE": TABLES.keys() & set(inspector.get_table_names())}
    found["VIEW"] = VIEWS.keys() & set(inspector.get_view_names())
    for sort, names in found.items():
        for relation in sorted(names):
            yield f"COMMENT ON {sort} {relation} IS {_quoted(about(relation))}"
            for column in inspector.get_columns(relation):
                text = _quoted(meaning(relation, column["name"]))
                yield f"COMMENT ON COLUMN {relation}.{column['name']} IS {text}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"
