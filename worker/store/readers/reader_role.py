"""A PostgreSQL role that can read only the views."""

from typing import Final

from sqlalchemy import Connection, inspect, text

from worker.store.models.dictionary import VIEWS
from worker.store.readers.roles import RoleError, check_name, comment_of, need_create_role, quoted, refuse_more

# Marks roles that we created, which are also granted the views of later versions.
_MARK: Final = "Reads the views of Renderwatch"
_DEFAULTS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",  # it takes longer to compile the views than to run them
}
_CONNECTIONS: Final = 20


def grant_reader(connection: Connection, name: str) -> bool:
    """Create a role that can log in and read the views; it has no password. Returns whether it is new.

    Raises RoleError for an invalid name, and for a role that could do more.
    """
    if connection.dialect.name != "postgresql":
        raise RoleError("only PostgreSQL has roles; open an SQLite file read-only with file:PATH?mode=ro")
    check_name(name)
    known = comment_of(connection, name)
    if known not in {None, _MARK}:
        raise RoleError(f"a role {name} already exists for another purpose; choose another name")
    need_create_role(connection)
    if known is None:
        connection.execute(text(f"CREATE ROLE {quoted(connection, name)} LOGIN CONNECTION LIMIT {_CONNECTIONS}"))
        connection.execute(text(f"COMMENT ON ROLE {quoted(connection, name)} IS '{_MARK}'"))
    for setting, value in _DEFAULTS.items():
        connection.execute(text(f"ALTER ROLE {quoted(connection, name)} SET {setting} = '{value}'"))
    _show_schema(connection, name)
    _grant(connection, name)
    refuse_more(connection, name)
    return known is None


def renew_readers(connection: Connection) -> None:
    """Grant new views to the existing readers."""
    if connection.dialect.name != "postgresql" or not inspect(connection).has_table("projects"):
        return
    query = text(
        "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = :mark"
        " AND has_table_privilege(oid, 'projects', 'SELECT')"
    )
    for name in connection.scalars(query, {"mark": _MARK}).all():
        _grant(connection, name)


def _show_schema(connection: Connection, name: str) -> None:
    """Set the role's search path, so that it finds the views by their plain names."""
    database, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    quote = connection.dialect.identifier_preparer.quote
    connection.execute(text(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(name)}"))
    connection.execute(
        text(f"ALTER ROLE {quote(name)} IN DATABASE {quote(database)} SET search_path = {quote(schema)}")
    )


def _grant(connection: Connection, name: str) -> None:
    """Grant each view: a grant on all tables would include the tables."""
    role = quoted(connection, name)
    for view in VIEWS.keys() & set(inspect(connection).get_view_names()):
        connection.execute(text(f"GRANT SELECT ON {view} TO {role}"))
