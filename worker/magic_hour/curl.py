"""A ``requests`` adapter over libcurl, for the optional extra ``renderwatch[fast]``: a fraction of the CPU time."""

from collections import deque
from collections.abc import Mapping
from typing import Final

import pycurl
import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy

from worker.magic_hour.transport import MAX_BODY, OK, TooMuchError

# Everything else that libcurl can report is a connection that did not work out.
_ERRORS: Final[dict[int, type[requests.RequestException]]] = {
    pycurl.E_OPERATION_TIMEDOUT: requests.Timeout,
    pycurl.E_PEER_FAILED_VERIFICATION: requests.exceptions.SSLError,
    pycurl.E_SSL_CONNECT_ERROR: requests.exceptions.SSLError,
    pycurl.E_SSL_CACERT_BADFILE: requests.exceptions.SSLError,
    pycurl.E_COULDNT_RESOLVE_PROXY: requests.exceptions.ProxyError,
    pycurl.E_BAD_CONTENT_ENCODING: requests.exceptions.ContentDecodingError,
    pycurl.E_URL_MALFORMAT: requests.exceptions.InvalidURL,
}


class CurlAdapter(BaseAdapter):
    """Sends requests through libcurl handles, each with its own open connection.

    Several threads may use it: a handle belongs to one while it sends, and waits for the next one otherwise. After a
    fork make a new adapter.
    """

    def __init__(self, connections: int) -> None:
        """Keep so many connections open; nothing is connected yet."""
        super().__init__()
        self._idle: deque[pycurl.Curl] = deque(maxlen=connections)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002  as requests has it; the answer is bounded and read at once
        timeout: object = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002  as above
        cert: object = None,  # noqa: ARG002  no API asks for one
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a GET request once and read its answer. ``timeout`` is in seconds, for everything together."""
        assert request.url is not None  # noqa: S101  it is prepared
        assert isinstance(timeout, (int, float))  # noqa: S101  nobody wants to wait for ever
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = _handle()
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in request.headers.items()])
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
        handle.setopt(pycurl.SSL_VERIFYPEER, int(verify is not False))
        handle.setopt(pycurl.CAINFO, verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
        # An empty name keeps libcurl from looking into the environment, which requests has done.
        handle.setopt(pycurl.PROXY, select_proxy(request.url, dict(proxies or {})) or "")
        try:
            return _perform(handle, request)
        finally:
            self._idle.append(handle)

    def close(self) -> None:
        """Close the connections that nobody is using."""
        while self._idle:
            self._idle.pop().close()


def _handle() -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.NOSIGNAL, 1)  # or time-outs would not go together with threads
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    handle.setopt(pycurl.FOLLOWLOCATION, 0)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)  # several at a time would gain nothing here
    handle.setopt(pycurl.SSL_VERIFYHOST, 2)
    handle.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")
    handle.setopt(pycurl.MAXCONNECTS, 1)
    handle.setopt(pycurl.TCP_KEEPALIVE, 1)
    return handle


class _Transfer:
    """What one answer brings, bit by bit."""

    __slots__ = ("body", "headers", "sent", "too_much")

    def __init__(self) -> None:
        self.body = bytearray()
        self.headers: dict[str, str] = {}
        self.sent = False
        self.too_much = False

    def before_request(self, *_: object) -> int:
        # libcurl sends again by itself when an open connection breaks without an answer; here each request counts.
        answer = pycurl.PREREQFUNC_ABORT if self.sent else pycurl.PREREQFUNC_OK
        self.sent = True
        return answer

    def on_header(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if colon:
            self.headers[name.decode("latin-1")] = value.strip().decode("latin-1")
        elif line.startswith(b"HTTP/"):
            self.headers.clear()  # what came before was an interim answer

    def on_body(self, data: bytes) -> int | None:
        self.body += data
        self.too_much = len(self.body) > MAX_BODY
        return -1 if self.too_much else None  # None: all is taken; -1: no more, please


def _perform(handle: pycurl.Curl, request: requests.PreparedRequest) -> requests.Response:
    transfer = _Transfer()
    handle.setopt(pycurl.PREREQFUNCTION, transfer.before_request)
    handle.setopt(pycurl.HEADERFUNCTION, transfer.on_header)
    handle.setopt(pycurl.WRITEFUNCTION, transfer.on_body)
    try:
        handle.perform()
    except pycurl.error as error:
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        # A refusal is a refusal, whatever becomes of its text.
        if status < OK or status == OK:
            raise _translate(int(error.args[0]), transfer) from None
    response = requests.Response()
    response.status_code = handle.getinfo(pycurl.RESPONSE_CODE)
    response.headers = CaseInsensitiveDict(transfer.headers)
    response.url = request.url or ""
    response.request = request
    response._content = bytes(transfer.body)  # noqa: SLF001  where requests itself keeps what it has read
    return response


def _translate(code: int, transfer: _Transfer) -> requests.RequestException:
    if transfer.too_much:
        return TooMuchError("the answer is larger than 1 MiB")
    return _ERRORS.get(code, requests.ConnectionError)(f"libcurl error {code}")
