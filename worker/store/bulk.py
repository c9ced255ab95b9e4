"""Bulk statements whose text and number of parameters do not grow with the number of rows.

PostgreSQL receives the rows as one JSON document, because a driver takes longer to process thousands of parameters than
the server takes to store the rows. SQLite runs in the process and takes ordinary parameters.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Result,
    Select,
    String,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql

from worker.store.models import Base
from worker.store.scheduling.rate_limits import insert_ignoring

Rows = Sequence[Mapping[str, Any]]


def rows_of(connection: Connection, model: type[Base], keys: Rows, names: Sequence[str]) -> Result[Any]:
    """Return columns of the rows with these unique keys, each a mapping of its columns."""
    if connection.dialect.name == "postgresql":
        return connection.execute(_by_key(model, tuple(keys[0]), tuple(names)), {"rows": _document(keys)})
    columns = model.__table__.c
    found = select(*(columns[name] for name in names))
    among = tuple_(*(columns[name] for name in keys[0])).in_([tuple(key.values()) for key in keys])
    return connection.execute(found.where(among))


def insert_rows(connection: Connection, model: type[Base], rows: Rows) -> None:
    """Insert rows that all have the same columns."""
    if connection.dialect.name == "postgresql":
        connection.execute(_insert(model, tuple(rows[0])), {"rows": _document(rows)})
    else:
        connection.execute(insert(model), rows)


def insert_new_rows(connection: Connection, model: type[Base], rows: Rows, returning: Sequence[str]) -> Result[Any]:
    """Insert the rows that do not exist yet, in order, and return columns of those."""
    columns = [model.__table__.c[name] for name in returning]
    if connection.dialect.name == "postgresql":
        statement = _insert(model, tuple(rows[0])).on_conflict_do_nothing().returning(*columns)
        return connection.execute(statement, {"rows": _document(rows)})
    return connection.execute(insert_ignoring(connection, model).returning(*columns), rows)


@cache
def _insert(model: type[Base], names: tuple[str, ...]) -> postgresql.Insert:
    return postgresql.insert(model).from_select(list(names), select(*_given(model, names).c))


@cache
def _by_key(model: type[Base], key: tuple[str, ...], names: tuple[str, ...]) -> Select[Any]:
    given, columns = _given(model, key), model.__table__.c
    # One index lookup per key; the LIMIT forces this plan. With a list of keys and no statistics, the planner
    # would scan all rows of a kind.
    one = select(*(columns[name] for name in names)).where(*(columns[name] == given.c[name] for name in key)).limit(1)
    found = one.lateral("found")
    return select(*found.c).select_from(given.join(found, true()))


def _given(model: type[Base], names: Sequence[str]) -> TableValuedAlias:
    document = cast(bindparam("rows", type_=Text()), postgresql.JSON)
    columns = (column(name, _type_of(model, name)) for name in names)
    return func.json_to_recordset(document).table_valued(*columns, name="given").render_derived(with_types=True)


def _type_of(model: type[Base], name: str) -> Any:  # noqa: ANN401  a type of SQLAlchemy's
    type_ = model.__table__.c[name].type
    # As text of any length: a cast to a shorter type would silently truncate.
    return Text() if isinstance(type_, String) else type_


def _document(rows: Rows) -> str:
    return json.dumps(rows, default=datetime.isoformat)
