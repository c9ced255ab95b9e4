"""The URL of the API, and the token for it."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from worker import __version__
from worker.client.base_errors import InvalidInputError
from worker.client.steps import Reply

URL: Final = "RENDERWATCH_URL"
TOKEN: Final = "RENDERWATCH_TOKEN"  # noqa: S105  the name of a variable


@dataclass(frozen=True, slots=True)
class Connection:
    """A URL without a trailing slash, and a token that the repr does not show."""

    url: str
    token: str = field(repr=False)
    user_agent: str = f"renderwatch-client/{__version__}"

    def authorization(self) -> dict[str, str]:
        """Return the header that authenticates a request."""
        return {"Authorization": f"Bearer {self.token}"}


def connect_to(url: str | None, token: str | None) -> Connection:
    """Return the given values, or those of the environment. Raises InvalidInputError, which says what is missing."""
    url, token = url or os.environ.get(URL), token or os.environ.get(TOKEN)
    if not url:
        raise InvalidInputError(
            f"where is Renderwatch? Give its URL, or set {URL}; renderwatch web says it at its start"
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise InvalidInputError("the URL of Renderwatch is like https://renderwatch.example.com, without user, ? and #")
    if not token or not token.isascii() or not token.isprintable():
        raise InvalidInputError(
            f"give a token, or set {TOKEN}: renderwatch tokens create NAME --scope track --scope read"
        )
    return Connection(url.rstrip("/"), token)


def no_reply(connection: Connection, error: Exception) -> Reply:
    """Return what stands for a response that did not come, with the reason in plain words."""
    return Reply(0, f"no answer from {connection.url}: {_why(error)}".encode())


def _why(error: Exception) -> str:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"its host name is not known here; correct {URL}"
        if isinstance(cause, ConnectionRefusedError):
            return f"nothing listens there; start renderwatch web, or correct {URL}"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS connection ({cause.reason or cause}); correct {URL}, or the certificate"
    if any("Timeout" in type(cause).__name__ for cause in causes):
        return f"it does not respond in time; see whether renderwatch web runs there, or correct {URL}"
    return f"the connection failed ({type(error).__name__}); see whether renderwatch web runs there, or correct {URL}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those below it: HTTP libraries wrap the one that tells most, each in its own way."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        below = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [each for each in (*below, *getattr(one, "exceptions", ())) if isinstance(each, BaseException)]
