"""The revision of the schema, and whether this version of Renderwatch can work with it."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from worker.store.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

STEPS: Final = Path(__file__).parents[2] / "migrations"
# Alembic's default name may belong to another program in the same database.
VERSION_TABLE: Final = "renderwatch_version"
_FORMER_TABLE: Final = "alembic_version"


class SchemaError(DatabaseError):
    """A schema that this version cannot use or create. The message says what to do."""


def check(connection: Connection) -> None:
    """Raise SchemaError unless this version can work with the existing schema.

    It can use its own schema, and newer ones unless a migration has removed what it needs.
    """
    found = revision(connection)
    if found is None:
        raise SchemaError("the database has no Renderwatch tables; run: renderwatch migrate")
    if found == newest():
        return
    if found in steps():
        raise SchemaError(
            f"the tables are at revision {found}, and this version needs {newest()}; run: renderwatch migrate"
        )
    needed = _works_from(connection)
    if needed is not None and needed not in steps():
        raise SchemaError(
            f"the schema is newer than this version can work with (it is at {found}, this version knows {newest()});"
            " install the version of Renderwatch that migrated it, or a later one"
        )


def revision(connection: Connection) -> str | None:
    """Return the revision of the schema; None if our tables do not exist."""
    table = VERSION_TABLE if inspect(connection).has_table(VERSION_TABLE) else _former_table(connection)
    return connection.scalar(text(f"SELECT version_num FROM {table}")) if table else None  # noqa: S608  one of two names


def make_version_table(connection: Connection) -> None:
    """Create our own version table; older databases keep the former one too, for processes of that version."""
    if not inspect(connection).has_table(VERSION_TABLE):
        former = revision(connection)
        connection.execute(
            text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY, works_from VARCHAR(32))")
        )
        if former is not None:
            insert = f"INSERT INTO {VERSION_TABLE} (version_num) VALUES (:former)"  # noqa: S608  our own name
            connection.execute(text(insert), {"former": former})
    elif not _has_works_from(connection):
        connection.execute(text(f"ALTER TABLE {VERSION_TABLE} ADD COLUMN works_from VARCHAR(32)"))


def write_works_from(connection: Connection) -> None:
    """Record the last migration that removed something: versions that do not know it cannot use the schema."""
    found = revision(connection)
    reached = [step for step in steps() if found is not None and step <= found]
    contracting = [step for step in reached if getattr(_script().get_revision(step).module, "contracts", False)]
    update = f"UPDATE {VERSION_TABLE} SET works_from = :step"  # noqa: S608  our own name
    connection.execute(text(update), {"step": max(contracting, default=None)})


def newest() -> str:
    """Return the newest revision that this version knows."""
    return steps()[-1]


@cache
def steps() -> tuple[str, ...]:
    """Return all steps that this version knows, the first one first: their files begin with these numbers."""
    return tuple(sorted(path.name.partition("_")[0] for path in (STEPS / "versions").glob("[0-9]*_*.py")))


@cache
def _script() -> "ScriptDirectory":
    # 10 MiB in each process, and only migrations need it.
    from alembic.script import ScriptDirectory  # noqa: PLC0415  as said

    return ScriptDirectory(str(STEPS))


def _former_table(connection: Connection) -> str | None:
    """Return the former name of the version table, if it exists and is ours."""
    inspector = inspect(connection)
    if not (inspector.has_table(_FORMER_TABLE) and inspector.has_table("tracked_projects")):
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {_FORMER_TABLE}"))  # noqa: S608  our own name
    return _FORMER_TABLE if found in steps() else None


def _works_from(connection: Connection) -> str | None:
    if not (inspect(connection).has_table(VERSION_TABLE) and _has_works_from(connection)):
        return None
    step: str | None = connection.scalar(text(f"SELECT works_from FROM {VERSION_TABLE}"))  # noqa: S608  our own name
    return step


def _has_works_from(connection: Connection) -> bool:
    """Whether the column exists; it does not if Alembic created the table with ``upgrade --sql``."""
    return "works_from" in {column["name"] for column in inspect(connection).get_columns(VERSION_TABLE)}
