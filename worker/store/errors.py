"""Database errors, sorted by cause: a passing condition, a wrong set-up, or a bug."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# PostgreSQL's error classes (the first two characters of an SQLSTATE) that are not about the statement:
# connection, resources, operator intervention, system; and single codes that a person can cause and end.
_UNAVAILABLE_CLASSES: Final = ("08", "28", "3D", "40", "53", "57", "58", "F0", "XX")
_LOCKED: Final = "55P03"
_UNAVAILABLE: Final = ("25006", "25P03", "25P04", "42501", "55006", _LOCKED)
_SQLITE_UNAVAILABLE: Final = (
    "SQLITE_AUTH",
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_CORRUPT",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_NOLFS",
    "SQLITE_NOMEM",
    "SQLITE_NOTADB",
    "SQLITE_PERM",
    "SQLITE_PROTOCOL",
    "SQLITE_READONLY",
)
# Serialization failure and deadlock: the whole transaction is rolled back.
_UNDONE: Final = ("40001", "40P01")
READ_ONLY: Final = ("25006", "SQLITE_READONLY")
_FULL: Final = ("53100", "SQLITE_FULL")
# After these a connection is useless, even if the server has not closed it: the server is stopping
# or has become a standby.
_LOST_CLASSES: Final = ("08",)
_LOST: Final = ("25006", "57P01", "57P02", "57P03", "57P05")
_ADVICE: Final = {
    _FULL: "free some disk space for the database; stored data is safe, and work resumes automatically",
    READ_ONLY: "the database accepts no writes (a standby, or default_transaction_read_only is on);"
    " stored data is safe, and work resumes automatically when it does",
}


class DatabaseError(ValueError):
    """A database with a wrong URL, encoding or schema. The message says what to do."""


class StoreUnavailableError(Exception):
    """The database cannot be reached, is too busy, or refuses. A later retry can succeed."""


class ReadOnlyError(StoreUnavailableError):
    """The database accepts no writes: it is a standby, or default_transaction_read_only is on."""


class TransactionUndoneError(StoreUnavailableError):
    """The database rolled back the transaction because of a conflict. An immediate retry can succeed."""


class LockTimeoutError(StoreUnavailableError):
    """PostgreSQL gave up waiting for a lock that another transaction holds."""


@contextmanager
def translated() -> Iterator[None]:
    """Translate driver errors caused by the database to StoreUnavailableError, and let bugs through."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        # The first line of the driver's message is the error; the statement and its parameters do not belong in logs.
        cause = getattr(error, "orig", None) or error
        said = str(cause).strip().partition("\n")[0]
        code = code_of(cause)
        if isinstance(error, DBAPIError) and not _is_unavailable(error, code):
            raise
        if code in _UNDONE:
            raise TransactionUndoneError(said) from error
        if code == _LOCKED:
            raise LockTimeoutError(said) from error
        advice = next((text for codes, text in _ADVICE.items() if code.startswith(codes)), None)
        kind = ReadOnlyError if code.startswith(READ_ONLY) else StoreUnavailableError
        raise kind(f"{said}: {advice}" if advice else said) from error


def code_of(cause: BaseException) -> str:
    """Return PostgreSQL's SQLSTATE or SQLite's error name; an empty string for errors of the driver itself."""
    return getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or ""


def loses_connection(cause: BaseException) -> bool:
    """Whether a PostgreSQL error means that all open connections are useless."""
    code = code_of(cause)
    return code in _LOST or code[:2] in _LOST_CLASSES


def _is_unavailable(error: DBAPIError, code: str) -> bool:
    if code.startswith("SQLITE_"):
        return code.startswith(_SQLITE_UNAVAILABLE)
    if code:
        return code[:2] in _UNAVAILABLE_CLASSES or code in _UNAVAILABLE
    # An error of the driver, without a server code: the connection failed or broke.
    return type(error).__name__ in {"OperationalError", "InterfaceError"} or error.connection_invalidated
