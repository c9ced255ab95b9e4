"""The URL of the database, parsed and validated as a whole."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from worker.settings.urls import Parts, clean, parse, split_host

_FORM: Final = "postgresql://user:password@host:5432/name or sqlite:////path/to/file.db"
_POSTGRESQL: Final = ("postgresql", "postgres")
_SLASHLESS: Final = re.compile(r"(sqlite|postgres(ql)?):", re.IGNORECASE)
# Hosts that SQLAlchemy accepts only in the query.
_ADDRESS: Final = re.compile(r"\[.*%25.*\](:\d+)?|.*%.*")


def database_url(text: str) -> str:
    """Return a database URL in the form that the store reads. Raises ValueError with the correct form."""
    text = clean(text, _FORM, blanks="sqlite" in text[:10].lower())
    scheme = text.partition("://")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        return _sqlite(text)
    if scheme not in _POSTGRESQL:
        raise ValueError(f"{_what_is_wrong(text, scheme)}; write {_FORM}")
    return _postgresql(parse(text, _FORM))


def _what_is_wrong(text: str, scheme: str) -> str:
    if "://" in text and re.fullmatch(r"[a-z][a-z0-9:]{1,20}", scheme):
        return f"{scheme} is not supported"
    return "the scheme is not followed by ://" if _SLASHLESS.match(text) else "it has no scheme"


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file, with any characters in its path."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def _sqlite(text: str) -> str:
    path, _, query = text.partition("://")[2].partition("?")
    if path in {"", "/", "/:memory:"} or ":memory:" in path or ("mode", "memory") in parse_qsl(query):
        raise ValueError(
            "an in-memory database is not shared between processes; write sqlite:////path/to/file.db,"
            " or unset DATABASE_URL for a file in RENDERWATCH_STATE_DIR"
        )
    if not path.startswith("/"):
        raise ValueError(
            "a file needs three slashes, an absolute path four: sqlite:///file.db, sqlite:////path/file.db"
        )
    if query or path.startswith("/file:"):
        raise ValueError("an SQLite URL is only a path, without parameters: sqlite:////path/to/file.db")
    file = unquote(path[1:])
    if file.startswith("~"):
        raise ValueError("~ is not expanded; write the whole path: sqlite:////home/you/file.db")
    if file.endswith("/"):
        raise ValueError("it names a folder; write the file in it: sqlite:////path/to/file.db")
    # Absolute, so that logs and messages name the file that is really used.
    return sqlite_url(Path(file))


def _postgresql(parts: Parts) -> str:
    """Several hosts, a socket's folder and IPv6 with a zone go into the query, where SQLAlchemy reads them."""
    name = parts.path.strip("/")
    if "/" in name:
        raise ValueError(f"the name of the database has a slash in it; write {_FORM}")
    if not all(parts.hosts) and len(parts.hosts) > 1:
        raise ValueError("one of its hosts is empty; write postgresql://user:password@host1:5432,host2:5432/name")
    path = f"/{name}" if parts.path else ""
    if len(parts.hosts) == 1 and not _ADDRESS.fullmatch(parts.hosts[0]):
        return f"postgresql://{parts.at}{parts.hosts[0]}{path}" + (f"?{parts.query}" if parts.query else "")
    given = parts.parameters
    hosts, ports = zip(*map(split_host, parts.hosts), strict=True)
    given = [("host", ",".join(hosts)), *([("port", ",".join(ports))] if any(ports) else []), *given]
    if len(hosts) > 1 and "target_session_attrs" not in dict(given):
        given.append(("target_session_attrs", "read-write"))  # a standby refuses our writes
    return f"postgresql://{parts.at}{path or '/'}?{urlencode(given)}"


def with_search_path(url: str, schema: str) -> str:
    """Return a PostgreSQL URL whose sessions use one schema. Raises ValueError."""
    if not url.startswith("postgresql"):
        raise ValueError("only PostgreSQL has schemas; unset RENDERWATCH_DATABASE_SCHEMA for SQLite")
    base, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    options = [value for name, value in given if name == "options"]
    if any("search_path" in value for value in options):
        raise ValueError(
            "DATABASE_URL has a search_path in its options, and RENDERWATCH_DATABASE_SCHEMA is set; keep one"
        )
    given = [pair for pair in given if pair[0] != "options"]
    joined = " ".join([*options, f"-csearch_path={schema}"])
    return f"{base}?{urlencode([*given, ('options', joined)], quote_via=quote)}"
