"""A role in PostgreSQL that sees the views, and nothing else."""

import re
from typing import Final

from sqlalchemy import Connection, inspect, text

from worker.store.dictionary import VIEWS

# Marks the roles that we made, and that get the views of later versions too.
_MARK: Final = "Reads the views of Renderwatch"
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TABLE_RIGHTS: Final = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
_DEFAULTS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",  # it takes longer to compile the views than to run them
}
_CONNECTIONS: Final = 20


class ReaderError(Exception):
    """A reader that cannot be made. The text says why, and what to do."""


def grant_reader(connection: Connection, name: str) -> bool:
    """Make a role that may log in and read the views; it has no password. Returns whether it is new.

    Raises ReaderError for a name that no role of ours can have, and for a role that can do more.
    """
    if connection.dialect.name != "postgresql":
        raise ReaderError("only PostgreSQL has roles; an SQLite file is opened read-only with file:PATH?mode=ro")
    if not _NAME.fullmatch(name) or name.startswith("pg_"):
        raise ReaderError("a role's name is 1 to 63 lower-case letters, digits and _, starts with no digit and not pg_")
    known = connection.scalar(
        text("SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = :name"),
        {"name": name},
    )
    if known not in {None, _MARK}:
        raise ReaderError(f"there is a role {name} already, for something else; choose another name")
    _need_create_role(connection)
    if known is None:
        connection.execute(text(f"CREATE ROLE {_quoted(connection, name)} LOGIN CONNECTION LIMIT {_CONNECTIONS}"))
        connection.execute(text(f"COMMENT ON ROLE {_quoted(connection, name)} IS '{_MARK}'"))
    for setting, value in _DEFAULTS.items():
        connection.execute(text(f"ALTER ROLE {_quoted(connection, name)} SET {setting} = '{value}'"))
    _grant(connection, name)
    _refuse_more(connection, name)
    return known is None


def renew_readers(connection: Connection) -> None:
    """Give the roles that read the views the new ones too."""
    if connection.dialect.name != "postgresql" or not inspect(connection).has_table("projects"):
        return
    query = text(
        "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = :mark"
        " AND has_table_privilege(oid, 'projects', 'SELECT')"
    )
    for name in connection.scalars(query, {"mark": _MARK}).all():
        _grant(connection, name)


def _need_create_role(connection: Connection) -> None:
    query = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not connection.scalar(query):
        raise ReaderError("the user of DATABASE_URL may not create roles; run this once as one who may (CREATEROLE)")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _grant(connection: Connection, name: str) -> None:
    """Grant view by view: a grant on all tables would show the tables too."""
    role = _quoted(connection, name)
    for view in VIEWS.keys() & set(inspect(connection).get_view_names()):
        connection.execute(text(f"GRANT SELECT ON {view} TO {role}"))


def _refuse_more(connection: Connection, name: str) -> None:
    """Look from the role's side: what everybody may do, it may do too."""
    tables = connection.scalars(
        text(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
            " AND c.relkind IN ('r', 'p') AND has_table_privilege(:name, c.oid, :rights) ORDER BY 1"
        ),
        {"name": name, "rights": _TABLE_RIGHTS},
    ).all()
    if tables:
        raise ReaderError(f"{name} could use tables too ({', '.join(tables)}); revoke that from PUBLIC first")
    if connection.scalar(text("SELECT has_schema_privilege(:name, current_schema(), 'CREATE')"), {"name": name}):
        raise ReaderError(
            f"{name} could make tables of its own, because everybody can;"
            " run: REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        )
