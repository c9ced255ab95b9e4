"""Sending with ``requests``, and the choice between that and libcurl.

curl.CurlSender costs a fraction of the CPU time, and is used when pycurl is installed.
"""

import importlib.util
import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, cast

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Retry, Timeout
from urllib3 import exceptions as urllib3_errors
from urllib3.util.ssl_ import create_urllib3_context

from worker.magic_hour.concurrency import Concurrency
from worker.magic_hour.connections import bound
from worker.magic_hour.sender import (
    MAX_BODY,
    OK,
    ApiConfig,
    MisconfiguredError,
    OnOutcome,
    Outcome,
    Reply,
    ResponseTooLargeError,
    Sender,
    Transport,
)

_CHUNK: Final = 64 * 1024
_FIRST_ERROR: Final = 400
# Per process: each costs about 0.1 MiB, and more slow each other down.
_MOST_THREADS: Final = 128
_ONCE: Final = Retry(False)  # noqa: FBT003  urllib3's notation for no retry and no redirect

# The first match counts; everything else is a connection error.
_ERRORS: Final = (
    (urllib3_errors.NewConnectionError, requests.ConnectionError),
    (urllib3_errors.TimeoutError, requests.Timeout),
    (urllib3_errors.SSLError, requests.exceptions.SSLError),
    (urllib3_errors.ProxyError, requests.exceptions.ProxyError),
    (urllib3_errors.DecodeError, requests.exceptions.ContentDecodingError),
)


def make_sender(transport: Transport, config: ApiConfig) -> Sender:
    """Return a sender; "auto" uses pycurl if it is installed. Raises ImportError for "curl" without pycurl."""
    if transport == "curl" or (transport == "auto" and importlib.util.find_spec("pycurl")):
        from worker.magic_hour.curl import CurlSender  # noqa: PLC0415  pycurl is an optional extra

        return CurlSender(config)
    return RequestsSender(config)


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001  the key of the cache: threads do not survive a fork
    return ThreadPoolExecutor(_MOST_THREADS, "request")


class RequestsSender:
    """Sends through the connections of a ``requests`` adapter, without its work per request."""

    def __init__(self, config: ApiConfig) -> None:
        """Get the host's connection pool; do not connect yet. Raises MisconfiguredError."""
        proxies = dict(config.proxies)
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=config.connections)
        request = requests.Request("GET", f"{config.base_url}/").prepare()
        if config.base_url.startswith("https:") and config.verify and not Path(config.certificates).exists():
            raise config.unreadable_certificates()
        try:
            pool = self._adapter.get_connection_with_tls_context(request, config.verify, proxies=proxies)
        except (requests.RequestException, urllib3_errors.HTTPError, ValueError) as error:
            raise _unusable_proxy(config, error) from None
        self._pool = cast("HTTPConnectionPool", pool)  # the base class, which is said, lacks what all of them have
        bound(self._pool)
        self._adapter.cert_verify(self._pool, request.url, config.verify, None)  # type: ignore[no-untyped-call]  # stubs
        if isinstance(self._pool, HTTPSConnectionPool) and config.verify and not proxies:
            try:
                _share_certificates(self._pool)
            except OSError:
                raise config.unreadable_certificates() from None
        # The whole URL if a proxy needs it, otherwise the path.
        self._target = self._adapter.request_url(request, proxies).removesuffix("/")
        self._headers = dict(config.headers)
        self._seconds = config.timeout
        self._timeout = Timeout(total=config.timeout)
        most = min(config.connections, _MOST_THREADS)
        self._concurrency = Concurrency(aim=0.25, fewest=4, at_first=16, most=most)

    def get(self, path: str) -> Reply:
        """Send a request once and read the response."""
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

    def get_all(self, paths: Sequence[str], latest_start: float, on_outcome: OnOutcome) -> None:
        """Send a request for each path once, in as many threads as the recent latency requires."""
        waiting = deque(enumerate(paths))

        def work() -> tuple[int, float]:
            count, spent = 0, 0.0
            while waiting and (started := time.monotonic()) <= latest_start:
                try:
                    position, path = waiting.popleft()
                except IndexError:  # another thread was faster
                    break
                outcome = self._outcome(path)
                seconds = time.monotonic() - started
                count, spent = count + 1, spent + seconds
                on_outcome(position, outcome, seconds)
            return count, spent

        threads = _threads(os.getpid())
        try:
            loops = [threads.submit(work) for _ in range(self._concurrency.of(len(paths)))]
            done = [loop.result() for loop in loops]
        finally:
            waiting.clear()
        self._concurrency.observe(sum(count for count, _ in done), sum(spent for _, spent in done))

    def _outcome(self, path: str) -> Outcome:
        try:
            return self.get(path)
        except requests.RequestException as error:
            return error

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()  # the adapter would only drop its pool
        self._adapter.close()


def _share_certificates(pool: HTTPSConnectionPool) -> None:
    """Load the trusted certificates once, because each connection would hold 0.8 MiB. Not for TLS to a proxy."""
    context = create_urllib3_context()
    context.load_verify_locations(pool.ca_certs, pool.ca_cert_dir)
    pool.conn_kw["ssl_context"] = context
    pool.ca_certs = pool.ca_cert_dir = None


def _body(response: BaseHTTPResponse, deadline: float) -> bytes:
    """Read the body: of an error only the start, but all of a short one, to keep the connection."""
    length = response.length_remaining
    is_error = response.status != OK
    if is_error and response.status < _FIRST_ERROR and (length is None or length > _CHUNK):
        return b""
    body = bytearray()
    as_sent = "Content-Encoding" not in response.headers
    try:
        # Unlike stream(), read1() returns available data, so a response that trickles in meets the deadline.
        while chunk := response.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY:
                raise ResponseTooLargeError("the answer is larger than 1 MiB")
            if time.monotonic() > deadline:
                raise requests.Timeout
            if is_error and len(body) >= _CHUNK:
                break
            if as_sent and response.length_remaining == 0:  # do not read again at the end
                break
    except (urllib3_errors.HTTPError, requests.RequestException):
        if not is_error:
            raise
    return bytes(body)


def _unusable_proxy(config: ApiConfig, error: Exception) -> MisconfiguredError:
    proxy = select_proxy(config.base_url, dict(config.proxies)) or ""
    if proxy.lower().startswith("socks") and isinstance(error, requests.exceptions.InvalidSchema):
        return MisconfiguredError(
            "the environment names a SOCKS proxy, and PySocks is not installed: pip install PySocks, or unset ALL_PROXY"
        )
    return MisconfiguredError(f"the proxy that the environment names cannot be used ({type(error).__name__})")


def _translated(error: Exception) -> requests.RequestException:
    if isinstance(error, requests.RequestException):  # they are OSErrors, and ours
        return error
    ours = next((ours for theirs, ours in _ERRORS if isinstance(error, theirs)), requests.ConnectionError)
    return ours(_reason(error))


def _reason(error: BaseException) -> str:
    """Return the message of the operating system or OpenSSL, inside urllib3's wrappers."""
    for cause in (error.__cause__, getattr(error, "original_error", None), *error.args):
        if isinstance(cause, Exception) and cause is not error:
            return _reason(cause)
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or getattr(error, "reason", None)
    # What a proxy answered is in the text alone.
    text = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], str) else ""
    return str(words or text.rpartition("Failed to establish a new connection: ")[2])
