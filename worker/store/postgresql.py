"""Connections to PostgreSQL, directly or through a pooler such as PgBouncer."""

import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from worker.store.errors import DatabaseError, loses_connection

# Longer than any of our transactions; beyond it something is wrong, and waiting does not help.
LOCK_TIMEOUT: Final = 30
_CONNECT_TIMEOUT: Final = 5
_STATEMENT_TIMEOUT: Final = 60
_LIMITS: Final = {
    "statement_timeout": f"{_STATEMENT_TIMEOUT}s",
    "lock_timeout": f"{LOCK_TIMEOUT}s",
    "idle_in_transaction_session_timeout": f"{_STATEMENT_TIMEOUT}s",
    "jit": "off",
}
_UTC: Final = {"timezone": "UTC"}
_OPTION: Final = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)\s*")
# libpq validates these only when it connects; refuse what can never work at once.
_VALUES: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
# Parameters of other drivers, and what to write instead.
_FOREIGN: Final = {
    "ssl": "write sslmode=require",
    "pgbouncer": "remove it, poolers are detected",
    "schema": "remove it, and set RENDERWATCH_DATABASE_SCHEMA",
    "search_path": "remove it, and set RENDERWATCH_DATABASE_SCHEMA",
    "currentSchema": "remove it, and set RENDERWATCH_DATABASE_SCHEMA",
}
# Set in each transaction behind a pooler, because the server connection may differ each time.
_POOLED: Final = "renderwatch_pooled"


def postgresql_engine(url: URL) -> Engine:
    """Return an engine. Raises DatabaseError for unknown parameters."""
    url, options = _without_options(url)
    settings = {**_LIMITS, **options, **_UTC}
    defaults: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT,
        "application_name": "renderwatch",
        "keepalives_idle": 30,
    }
    engine = create_engine(
        url,
        hide_parameters=True,  # they contain signed links, and errors end up in logs
        pool_pre_ping=True,
        use_native_hstore=False,  # saves a query per connection
        connect_args={name: value for name, value in defaults.items() if name not in url.query}
        | {"client_encoding": "utf8"},
    )
    _check_parameters(engine)
    _listen(engine, settings)
    return engine


def _without_options(url: URL) -> tuple[URL, dict[str, str]]:
    """Remove ``options`` from a URL, because poolers refuse it; we apply its settings ourselves."""
    given = url.query.get("options", "")
    text = " ".join(given) if isinstance(given, tuple) else given
    found = list(_OPTION.finditer(text.strip()))
    if "".join(each[0] for each in found) != text.strip():
        raise DatabaseError("DATABASE_URL: options may contain only settings: options=-c%20search_path%3Drw")
    options = {each[1].replace("-", "_"): re.sub(r"\\(.)", r"\1", each[2]) for each in found}
    return url.difference_update_query(["options"]), options


def _check_parameters(engine: Engine) -> None:
    _, named = engine.dialect.create_connect_args(engine.url)
    try:
        psycopg.conninfo.make_conninfo(**{name: value for name, value in named.items() if name != "context"})
        psycopg.conninfo.timeout_from_conninfo(dict(named))
    except psycopg.ProgrammingError as error:
        said = str(error).strip().partition("\n")[0]
        hint = next((f"; {text}" for name, text in _FOREIGN.items() if f'"{name}"' in said), "")
        raise DatabaseError(f"DATABASE_URL: {said}{hint}") from None
    for name, values in _VALUES.items():
        if named.get(name, values[0]) not in values:
            raise DatabaseError(f"DATABASE_URL: {name} must be one of {', '.join(values)}")


def _listen(engine: Engine, settings: Mapping[str, str]) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: psycopg.Connection[Any], record: Any) -> None:  # noqa: ANN401  of the pool
        try:
            _check_encoding(connection)
            record.info[_POOLED] = not _configure(connection, settings)
        except BaseException:
            connection.close()  # it is not in the pool yet
            raise
        if record.info[_POOLED]:
            connection.prepare_threshold = None  # another server connection would not have the prepared statement

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.info.get(_POOLED):
            names = ", ".join(f"set_config('{name}', %s, true)" for name in settings)
            connection.exec_driver_sql(f"SELECT {names}", tuple(settings.values()))

    @event.listens_for(engine, "checkin")
    def check_in(connection: psycopg.Connection[Any] | None, _: object) -> None:
        # SQLAlchemy leaves it at "read write", which would override the server's default_transaction_read_only.
        if connection is not None and not connection.closed:
            connection.read_only = None

    @event.listens_for(engine, "handle_error")
    def drop(context: ExceptionContext) -> None:
        if context.original_exception is not None and loses_connection(context.original_exception):
            context.is_disconnect = True  # with all older connections: the server's role has changed


def _configure(connection: psycopg.Connection[Any], settings: Mapping[str, str]) -> bool:
    """Set limits and UTC for the session, but not behind a pooler. Returns whether it did.

    A pooler is detected by comparing the process id reported at log-in with the backend's.
    """
    ours = connection.info.backend_pid
    names = ", ".join(f"set_config('{name}', %s, pg_backend_pid() <> {ours})" for name in settings)
    connection.autocommit = True
    try:
        row = connection.execute(f"SELECT pg_backend_pid(), {names}", tuple(settings.values())).fetchone()
    except psycopg.errors.Error as error:
        if error.sqlstate and error.sqlstate[:2] in {"22", "42"}:
            raise DatabaseError(f"DATABASE_URL: options: {str(error).partition(chr(10))[0]}") from None
        raise
    finally:
        if not connection.closed:
            connection.autocommit = False
    return row is not None and row[0] == ours


def _check_encoding(connection: psycopg.Connection[Any]) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {None, "UTF8"}:
        raise DatabaseError(
            f"the database {connection.info.dbname} has the encoding {encoding}, which cannot store all metadata;"
            " create one with UTF8: CREATE DATABASE renderwatch ENCODING 'UTF8' TEMPLATE template0"
        )
