"""Creating and upgrading the tables."""

import time
from collections.abc import Callable
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

from worker.store.engine import Database, LockTimeoutError, StoreUnavailableError
from worker.store.models import Base
from worker.store.models.dictionary import VIEWS
from worker.store.schema_version import STEPS, SchemaError, check, newest, revision, steps

__all__ = ["SchemaError", "check", "downgrade", "migrate", "missing_right", "newest", "revision"]

_TRIES: Final = 5
_PAUSE: Final = 2.0


def migrate(database: Database, target: str = "head") -> str:
    """Upgrade to a revision in one transaction, and return the resulting revision.

    Migrations wait only a few seconds for locks, so that other work is not blocked, and are
    retried a few times. A schema newer than this version is left alone. Raises SchemaError and StoreUnavailableError.
    """
    with database.read() as connection:
        found = revision(connection)
    if found is not None and found not in steps():
        with database.read() as connection:
            check(connection)
        return found
    if found != newest():
        with database.write() as connection:
            _prepare(connection)
    for attempt in range(1, _TRIES + 1):
        try:
            _run(database, command.upgrade, target)
            break
        except LockTimeoutError as error:
            if attempt == _TRIES:
                raise StoreUnavailableError(
                    "another transaction has locked a table that must change, so nothing was changed; run: renderwatch"
                    " migrate again, or end that transaction (pg_stat_activity shows it)"
                ) from error
            time.sleep(_PAUSE)
    with database.read() as connection:
        return revision(connection) or ""


def downgrade(database: Database, target: str) -> None:
    """Downgrade to a revision in one transaction; ``base`` removes all tables with their data."""
    _run(database, command.downgrade, target)


def missing_right(connection: Connection) -> str | None:
    """Return the statement that would let this user create tables; None if it can."""
    if connection.dialect.name != "postgresql":
        return None
    user, base, schema, wanted = connection.execute(
        text("SELECT current_user, current_database(), current_schema(), current_setting('search_path')")
    ).one()
    quote = connection.dialect.identifier_preparer.quote
    if schema is not None:
        may = connection.scalar(text("SELECT has_schema_privilege(:name, 'CREATE')"), {"name": quote(schema)})
        return None if may else f"GRANT CREATE ON SCHEMA {quote(schema)} TO {quote(user)};"
    name = _first_schema(wanted)
    if inspect(connection).has_schema(name):
        return f"GRANT USAGE, CREATE ON SCHEMA {quote(name)} TO {quote(user)};"
    if connection.scalar(text("SELECT has_database_privilege(current_database(), 'CREATE')")):
        return None
    make = f"CREATE SCHEMA {quote(name)} AUTHORIZATION {quote(user)};"
    return f"{make} -- or: GRANT CREATE ON DATABASE {quote(base)} TO {quote(user)};"


def _first_schema(search_path: str) -> str:
    return search_path.partition(",")[0].strip().strip('"')


def _prepare(connection: Connection) -> None:
    """Create the schema if it is missing, and refuse one in which our tables cannot be created."""
    missing = missing_right(connection)
    if missing:
        raise SchemaError(
            f"the user of DATABASE_URL may not create tables there; have the owner of the database run: {missing}"
        )
    schema = None
    if connection.dialect.name == "postgresql":
        schema = connection.scalar(text("SELECT current_schema()"))
        if schema is None:
            name = _first_schema(str(connection.scalar(text("SHOW search_path"))))
            connection.execute(text(f"CREATE SCHEMA {connection.dialect.identifier_preparer.quote(name)}"))
            return
    inspector = inspect(connection)
    there = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
    theirs = sorted(there & (Base.metadata.tables.keys() | VIEWS.keys()))
    if theirs and revision(connection) is None:
        raise SchemaError(
            f"tables of another program have the names of ours ({', '.join(theirs)}); give ours a schema of their"
            " own: RENDERWATCH_DATABASE_SCHEMA=renderwatch (PostgreSQL), or another database"
        )


def _run(database: Database, step: Callable[[Config, str], None], target: str) -> None:
    with database.connection() as connection:
        config = Config()
        config.set_main_option("script_location", str(STEPS).replace("%", "%%"))  # or it would be interpolated
        config.attributes["connection"] = connection
        step(config, target)
