"""An HTTP client for untrusted hosts, with connections that are kept open between requests."""

import http.client
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from worker.delivery.addresses import Network
from worker.delivery.connection import Connection

_MOST_BODY: Final = 4096
# The status is what matters; wait no longer than this for the rest of a response.
_BODY_SECONDS: Final = 2.0
# Shorter than most servers' keep-alive, and short enough to follow DNS changes.
_IDLE_SECONDS: Final = 15.0
_AGE_SECONDS: Final = 60.0

Origin = tuple[str, str, int]
# The errors if a server has closed an idle connection in the meantime.
_CLOSED_MEANWHILE: Final = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)


# The same variables as requests and curl read.
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def trusted_tls() -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates named in the environment, or certifi's. Raises OSError."""
    place = Path(next(filter(None, map(os.environ.get, _CERTIFICATES)), DEFAULT_CA_BUNDLE_PATH))
    try:
        if place.is_dir():
            return ssl.create_default_context(capath=str(place))
        return ssl.create_default_context(cafile=str(place))
    except OSError as error:
        names = " or ".join(_CERTIFICATES)
        raise OSError(f"the trusted certificates in {place} cannot be read ({error}); {names} names them") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, the Retry-After header, and the start of the body unless the status is 2xx."""

    status: int
    retry_after: str
    body: bytes


class HttpClient:
    """Sends POST requests, follows no redirects, and keeps connections open. Thread-safe, but not across a fork.

    ``allowed`` are networks allowed in addition to public addresses; ``timeout`` is in seconds and bounds one
    request as a whole; ``connections`` is how many idle ones are kept, all hosts together.
    """

    def __init__(self, allowed: Sequence[Network], timeout: float, connections: int) -> None:
        """Do not connect yet."""
        self._tls: ssl.SSLContext | None = None
        self._allowed = tuple(allowed)
        self._timeout = timeout
        self._most_idle = connections
        self._idle: deque[tuple[Origin, Connection]] = deque()
        self._lock = threading.Lock()

    def post(self, origin: Origin, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and read its answer. Raises OSError and http.client.HTTPException without one.

        ``origin`` is scheme, host and port.
        """
        deadline = time.monotonic() + self._timeout
        connection = self._reusable(origin)
        if connection is not None:
            try:
                return self._exchange(connection, origin, path, headers, body, deadline)
            except _CLOSED_MEANWHILE:
                pass
        return self._exchange(self._new(origin), origin, path, headers, body, deadline)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for _, connection in idle:
            connection.close()

    def _exchange(
        self,
        connection: Connection,
        origin: Origin,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> Answer:
        keep = False
        try:
            connection.begin(deadline)
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            connection.hurry(_BODY_SECONDS)
            start = _beginning(response)
            is_read = response.isclosed() or response.length == 0
            keep = is_read and not response.will_close
            response.close()
            is_success = http.HTTPStatus.OK <= response.status < http.HTTPStatus.MULTIPLE_CHOICES
            return Answer(response.status, response.headers.get("Retry-After", ""), b"" if is_success else start)
        finally:
            if keep:
                self._keep(origin, connection)
            else:
                connection.close()

    def _new(self, origin: Origin) -> Connection:
        scheme, host, port = origin
        return Connection(host, port, self._trusted() if scheme == "https" else None, self._allowed)

    def _trusted(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = trusted_tls()
            return self._tls

    def _reusable(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                index = next((i for i in range(len(self._idle) - 1, -1, -1) if self._idle[i][0] == origin), None)
                if index is None:
                    return None
                connection = self._idle[index][1]
                del self._idle[index]
            if connection.is_reusable(_IDLE_SECONDS, _AGE_SECONDS):
                return connection
            connection.close()

    def _keep(self, origin: Origin, connection: Connection) -> None:
        connection.last_used = time.monotonic()
        with self._lock:
            self._idle.append((origin, connection))
            oldest = self._idle.popleft()[1] if len(self._idle) > self._most_idle else None
        if oldest is not None:
            oldest.close()


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """Return the start of a body, or what could be read of it."""
    body = b""
    try:
        while len(body) < _MOST_BODY and (chunk := response.read1(_MOST_BODY - len(body))):
            body += chunk
    except (OSError, http.client.HTTPException):
        response.close()
        return body
    return body
