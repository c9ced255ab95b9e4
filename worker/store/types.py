"""Column types that mean the same on every database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, DateTime, Dialect, Integer, String, bindparam, literal
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. In SQLite it is text, which sorts like the time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  given
        """Refuse a time without a time zone, because its meaning would be lost."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  given
        """Return an aware time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite assigns row ids only to a column that is exactly INTEGER.
BigId: Any = BigInteger().with_variant(Integer(), "sqlite")
Document: Any = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# A list of ids as one parameter.
IdList: Any = JSON(none_as_null=True).with_variant(ARRAY(BigInteger), "postgresql")


class listed(FunctionElement[bool]):  # noqa: N801  reads like a function of SQL
    """Whether an id is in the list of one parameter, however many ids there are."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        """Compare ``column`` with the parameter ``name``."""
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
    """The database's current time, not that of the start of the transaction."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(Now)
def _now(_element: Now, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


@compiles(Now, "postgresql")
def _clock(_element: Now, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "clock_timestamp()"


class RandomToken(FunctionElement[str]):
    """32 random hexadecimal digits that nobody can guess, different for each row."""

    type = String(32)
    inherit_cache = True


@compiles(RandomToken)
def _random_bytes(_element: RandomToken, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "lower(hex(randomblob(16)))"


@compiles(RandomToken, "postgresql")
def _random_uuid(_element: RandomToken, _compiler: Any, **_: Any) -> str:  # noqa: ANN401  as above
    return "replace(gen_random_uuid()::text, '-', '')"


class begins(FunctionElement[bool]):  # noqa: N801  reads like a function of SQL
    """Whether a text begins with another one, in its exact case and by an index where there is one."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], start: str) -> None:
        """Compare the beginning of ``column`` with ``start``."""
        escaped = start.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        super().__init__(column, literal(start), literal(start + "\U0010ffff"), literal(escaped + "%"))


@compiles(begins)
def _between(element: begins, compiler: Any, **given: Any) -> str:  # noqa: ANN401  as above
    column, start, end, _ = element.clauses
    text, first, last = (compiler.process(each, **given) for each in (column, start, end))
    return f"({text} >= {first} AND {text} < {last})"


@compiles(begins, "postgresql")
def _like(element: begins, compiler: Any, **given: Any) -> str:  # noqa: ANN401  as above
    column, _, _, pattern = element.clauses
    return f"{compiler.process(column, **given)} LIKE {compiler.process(pattern, **given)}"
