"""Sending one GET request, and reading its answer within bounds.

A Sender sends each request once, follows no redirect, reads at most MAX_BODY bytes of an answer, takes at most so many
seconds for it, and raises what ``requests`` raises. Several threads may use it; after a fork make a new one.
RequestsSender is made of that library's own parts; curl.CurlSender costs a fraction of it, and is used when pycurl is
there.
"""

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Retry, Timeout
from urllib3 import exceptions as urllib3_errors

from worker.magic_hour.quick_response import QuickResponse

MAX_BODY: Final = 1024 * 1024
OK: Final = 200
_CHUNK: Final = 64 * 1024
_ONCE: Final = Retry(False)  # noqa: FBT003  urllib3's own word for no second try and no redirect

Transport = Literal["auto", "requests", "curl"]

# The first that fits; everything else is a connection that did not work out.
_ERRORS: Final = (
    (urllib3_errors.NewConnectionError, requests.ConnectionError),
    (urllib3_errors.TimeoutError, requests.Timeout),
    (urllib3_errors.SSLError, requests.exceptions.SSLError),
    (urllib3_errors.ProxyError, requests.exceptions.ProxyError),
    (urllib3_errors.DecodeError, requests.exceptions.ContentDecodingError),
)


class TooMuchError(requests.RequestException):
    """The answer is longer than any good one."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an API is reached: its address, what every request says, and what the environment wants.

    ``timeout`` is in seconds and bounds connecting, each wait for data, and the whole answer; ``connections`` is how
    many are kept open. ``verify`` is True, or a file or folder of certificates; ``proxies`` are by scheme.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in them
    timeout: float
    connections: int
    verify: bool | str
    proxies: Mapping[str, str] = field(repr=False)  # their passwords too


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered: its status, its body, and the text of its Retry-After header."""

    status: int
    body: bytes
    retry_after: str = ""


class Sender(Protocol):
    """Sends GET requests to one API."""

    def get(self, path: str) -> Reply:
        """Send a request for a path below the base address. Raises requests.RequestException without an answer."""

    def close(self) -> None:
        """Close the connections."""


def make_sender(transport: Transport, way: Way) -> Sender:
    """Return a sender; "auto" takes pycurl when it is installed. Raises ImportError for "curl" without pycurl."""
    if transport == "curl" or (transport == "auto" and importlib.util.find_spec("pycurl")):
        from worker.magic_hour.curl import CurlSender  # noqa: PLC0415  pycurl is an optional extra

        return CurlSender(way)
    return RequestsSender(way)


class RequestsSender:
    """Sends through the connections of a ``requests`` adapter: what it finds out for each request, this one keeps."""

    def __init__(self, way: Way) -> None:
        """Find the pool of the one host; nothing is connected yet."""
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=way.connections)
        request = requests.Request("GET", f"{way.base_url}/").prepare()
        pool = self._adapter.get_connection_with_tls_context(request, way.verify, proxies=dict(way.proxies))
        self._pool = cast("HTTPConnectionPool", pool)  # the base class, which is said, lacks what all of them have
        made: type = self._pool.ConnectionCls
        self._pool.ConnectionCls = type("Connection", (made,), {"response_class": QuickResponse})
        self._adapter.cert_verify(self._pool, request.url, way.verify, None)  # type: ignore[no-untyped-call]  # stubs
        # The whole address where a proxy wants it, and the path otherwise.
        self._target = self._adapter.request_url(request, dict(way.proxies)).removesuffix("/")
        self._headers = dict(way.headers)
        self._seconds = way.timeout
        self._timeout = Timeout(connect=way.timeout, read=way.timeout)

    def get(self, path: str) -> Reply:
        """Send a request once and read its answer."""
        deadline = time.monotonic() + self._seconds
        try:
            response: BaseHTTPResponse = self._pool.urlopen(
                "GET",
                self._target + path,
                headers=self._headers,
                retries=_ONCE,
                redirect=False,
                assert_same_host=False,
                timeout=self._timeout,
                preload_content=False,
            )
            try:
                body = _body(response, deadline)
                refused = response.status != OK
                return Reply(response.status, body, response.headers.get("Retry-After", "") if refused else "")
            finally:
                response.close()
                response.release_conn()
        except (urllib3_errors.HTTPError, OSError) as error:
            raise _translated(error) from None

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()


def _body(response: BaseHTTPResponse, deadline: float) -> bytes:
    """Read the answer, and of a refusal what is no trouble to read: then its connection can be used again."""
    length = response.length_remaining
    if response.status != OK and (length is None or length > _CHUNK):
        return b""
    body = bytearray()
    as_sent = "Content-Encoding" not in response.headers
    try:
        # Unlike stream(), read1() returns what there is: an answer that comes in drops meets the deadline.
        while chunk := response.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY:
                raise TooMuchError("the answer is larger than 1 MiB")
            if time.monotonic() > deadline:
                raise requests.Timeout
            if as_sent and response.length_remaining == 0:  # do not ask again for what cannot come
                break
    except (urllib3_errors.HTTPError, requests.RequestException):
        if response.status == OK:
            raise
    return bytes(body)


def _translated(error: Exception) -> requests.RequestException:
    if isinstance(error, requests.RequestException):  # they are OSErrors, and ours
        return error
    return next((ours for theirs, ours in _ERRORS if isinstance(error, theirs)), requests.ConnectionError)()
