"""A PostgreSQL role that can send projects in its own transactions, and do nothing else with our data."""

from typing import Final

from sqlalchemy import Connection, text

from worker.store.readers.roles import RoleError, check_name, comment_of, need_create_role, quoted, refuse_more

_FUNCTIONS: Final = (
    "track_project(text, text, text, bigint, jsonb, jsonb, text)",
    "track_request_status(bigint)",
)
_MARK: Final = "Sends projects to Renderwatch"


def grant_enqueuer(connection: Connection, name: str) -> tuple[bool, str]:
    """Let a role call track_project() and track_request_status(), and create it if it is missing, without a password.

    An existing role, such as that of a service, keeps what it has. Returns whether the role is new, and the schema of
    the functions. Raises RoleError for an invalid name, and for a role that can access our tables.
    """
    if connection.dialect.name != "postgresql":
        raise RoleError("only PostgreSQL has roles; on SQLite, services insert into track_requests")
    check_name(name)
    is_new = comment_of(connection, name) is None
    role = quoted(connection, name)
    if is_new:
        need_create_role(connection)
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"COMMENT ON ROLE {role} IS '{_MARK}'"))
    schema = str(connection.scalar(text("SELECT quote_ident(current_schema())")))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
    for function in _FUNCTIONS:
        connection.execute(text(f"GRANT EXECUTE ON FUNCTION {schema}.{function} TO {role}"))
    refuse_more(connection, name)
    return is_new, schema
