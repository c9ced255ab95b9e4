"""What all tables share: naming of constraints, column types, and helpers for constraints and indexes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Index, MetaData, text
from sqlalchemy.orm import DeclarativeBase

from worker.store.types import Document, UtcDateTime


def one_of(column: str, values: Iterable[str]) -> str:
    """Return the condition that a column has one of these values."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def partial(name: str, *columns: str, where: str) -> Index:
    """Return an index of the rows for which a condition holds."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Base(DeclarativeBase):
    """Names all constraints, so that migrations can refer to them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Document, list[Any]: Document}  # noqa: RUF012  as SQLAlchemy requires
