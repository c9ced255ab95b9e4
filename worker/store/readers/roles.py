"""What all roles have in common that we create on PostgreSQL."""

import re
from typing import Final

from sqlalchemy import Connection, text

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SHOWN: Final = 5
_TABLE_RIGHTS: Final = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"


class RoleError(Exception):
    """A role that cannot be created or granted rights. The message says why, and what to do."""


def check_name(name: str) -> None:
    """Raise RoleError for a name that we do not give to a role."""
    if not _NAME.fullmatch(name) or name.startswith("pg_"):
        raise RoleError(
            "a role name has 1 to 63 lower-case letters, digits and _, and does not start with a digit or pg_"
        )


def comment_of(connection: Connection, name: str) -> str | None:
    """Return the comment of a role, which may be empty; None if there is no such role."""
    comment: str | None = connection.scalar(
        text("SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = :name"),
        {"name": name},
    )
    return comment


def need_create_role(connection: Connection) -> None:
    """Raise RoleError if the connection's user may not create roles."""
    query = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    if not connection.scalar(query):
        raise RoleError("the user of DATABASE_URL may not create roles; run this once as a user with CREATEROLE")


def quoted(connection: Connection, name: str) -> str:
    """Return a name as an identifier of SQL."""
    return connection.dialect.identifier_preparer.quote(name)


def refuse_more(connection: Connection, name: str) -> None:
    """Raise RoleError for a role that can do more with our tables, through rights of its own or those of PUBLIC."""
    tables = connection.scalars(
        text(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
            " AND c.relkind IN ('r', 'p') AND has_table_privilege(:name, c.oid, :rights) ORDER BY 1"
        ),
        {"name": name, "rights": _TABLE_RIGHTS},
    ).all()
    if tables:
        some = f"{', '.join(tables[:_SHOWN])}{', …' if len(tables) > _SHOWN else ''}"
        raise RoleError(f"{name} could access tables too ({some}); revoke that from {name} or from PUBLIC first")
    if connection.scalar(text("SELECT has_schema_privilege(:name, current_schema(), 'CREATE')"), {"name": name}):
        schema = connection.scalar(text("SELECT quote_ident(current_schema())"))
        raise RoleError(
            f"{name} could create tables, because PUBLIC can; run: REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
        )
