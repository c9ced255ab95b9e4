"""Sending one prepared request, and reading its answer within bounds: the ``requests`` adapters that the client uses.

Each sends a request once, follows no redirect, reads at most MAX_BODY bytes of an answer, and raises what ``requests``
raises. PooledAdapter is that library's own; curl.CurlAdapter costs a fraction of it, and is used when pycurl is there.
"""

import importlib.util
import time
from typing import Any, Final, Literal

from requests import PreparedRequest, RequestException, Response, Timeout
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import HTTPError

MAX_BODY: Final = 1024 * 1024
OK: Final = 200
_CHUNK: Final = 64 * 1024

Transport = Literal["auto", "requests", "curl"]


class TooMuchError(RequestException):
    """The answer is longer than any good one."""


def make_adapter(transport: Transport, connections: int) -> BaseAdapter:
    """Return an adapter that keeps so many connections open; "auto" takes pycurl when it is installed.

    Raises ImportError for "curl" without pycurl.
    """
    if transport == "curl" or (transport == "auto" and importlib.util.find_spec("pycurl")):
        from worker.magic_hour.curl import CurlAdapter  # noqa: PLC0415  pycurl is an optional extra

        return CurlAdapter(connections)
    return PooledAdapter(connections)


class PooledAdapter(HTTPAdapter):
    """The adapter of ``requests``, for the one host of an API: what it finds out for each request, it keeps."""

    def __init__(self, connections: int) -> None:
        """Keep so many connections open; nothing is connected yet."""
        self._pool: Any = None
        self._told: Any = None
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401  as requests has it
        """Send a request and read its answer. ``timeout`` is in seconds, and bounds the answer as a whole too."""
        deadline = time.monotonic() + kwargs["timeout"]
        response = super().send(request, *args, **kwargs)
        try:
            response._content = _body(response, deadline)  # noqa: SLF001  where requests itself keeps what it has read
        except HTTPError as error:
            raise RequestException(type(error).__name__) from None
        finally:
            response.raw.close()
            response.raw.release_conn()
        return response

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as above
        """Return the pool of the one host."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def cert_verify(self, conn: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as above
        """Tell the pool once which certificates are good."""
        if self._told is not conn:
            super().cert_verify(conn, *args, **kwargs)  # type: ignore[no-untyped-call]  # by its stubs
            self._told = conn


def _body(response: Response, deadline: float) -> bytes:
    """Read the answer, and of a refusal what is no trouble to read: then its connection can be used again."""
    if response.status_code != OK and not 0 <= _length(response) <= _CHUNK:
        return b""
    body = bytearray()
    try:
        # Unlike iter_content, read1 returns what there is: an answer that comes in drops meets the deadline.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooMuchError("the answer is larger than 1 MiB")
            if time.monotonic() > deadline:
                raise Timeout
    except (HTTPError, RequestException):
        if response.status_code == OK:
            raise
    return bytes(body)


def _length(response: Response) -> int:
    value = response.headers.get("Content-Length", "")
    return int(value[:18]) if value.isascii() and value.isdigit() else -1
