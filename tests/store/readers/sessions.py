"""Sessions of roles that are made for one test."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


@contextmanager
def session_of(role: str, postgres_url: str) -> Iterator[psycopg.Connection]:
    """Give a connection with the rights of a role. The role is dropped afterwards."""
    name = sql.Identifier(role)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(name))
        yield connection
        connection.execute("RESET SESSION AUTHORIZATION")
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))
