"""Column types that mean the same on every database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, DateTime, Dialect, Integer, bindparam
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite keeps it as text in UTC, which sorts like the time itself."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  given
        """Refuse a time without a zone: nobody could say later what it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  given
        """Return an aware time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite counts rows only in a column that is exactly INTEGER.
BigId: Any = BigInteger().with_variant(Integer(), "sqlite")
Document: Any = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# Ids of one of our tables, as one value.
IdList: Any = JSON(none_as_null=True).with_variant(ARRAY(BigInteger), "postgresql")


class listed(FunctionElement[bool]):  # noqa: N801  reads like a function of SQL
    """Whether an id is one of those in a parameter of this name: a single one, however many ids there are."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        """Take both."""
        super().__init__(column, bindparam(name, type_=IdList))


@compiles(listed)
def _listed(element: listed, compiler: Any, **given: Any) -> str:  # noqa: ANN401  as SQLAlchemy calls it
    column, ids = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608  a column and a parameter


@compiles(listed, "postgresql")
def _any(element: listed, compiler: Any, **given: Any) -> str:  # noqa: ANN401  as above
    column, ids = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} = ANY ({ids})"


class Now(FunctionElement[datetime]):
    """The database's time, now and not at the start of the transaction."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(Now)
def _now(_element: Now, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


@compiles(Now, "postgresql")
def _clock(_element: Now, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "clock_timestamp()"
