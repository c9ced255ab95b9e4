"""Sending through libcurl, for the optional extra ``renderwatch[fast]``: a fraction of the CPU time."""

from collections import deque
from pathlib import Path
from typing import Final

import pycurl
import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from requests.utils import select_proxy

from worker.magic_hour.transport import MAX_BODY, OK, Reply, TooMuchError, Way

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


class CurlSender:
    """Sends requests through libcurl handles, each with its own open connection.

    A handle belongs to one thread while it sends, and waits for the next one otherwise.
    """

    def __init__(self, way: Way) -> None:
        """Remember the way; nothing is connected yet."""
        self._way = way
        self._idle: deque[_Handle] = deque(maxlen=way.connections)

    def get(self, path: str) -> Reply:
        """Send a request once and read its answer."""
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = _Handle(self._way)
        try:
            return handle.get(self._way.base_url + path)
        finally:
            self._idle.append(handle)

    def close(self) -> None:
        """Close the connections that nobody is using."""
        while self._idle:
            self._idle.pop().close()


class _Handle:
    """A libcurl handle, and what the answer brings that it waits for."""

    __slots__ = ("_body", "_curl", "_head", "_sent", "_too_much")

    def __init__(self, way: Way) -> None:
        self._curl = _curl(way)
        self._head: list[bytes] = []
        self._body = bytearray()
        self._sent = False
        self._too_much = False
        self._curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        self._curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self._curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def get(self, url: str) -> Reply:
        self._head.clear()
        self._body.clear()
        self._sent = self._too_much = False
        self._curl.setopt(pycurl.URL, url)
        try:
            self._curl.perform()
        except pycurl.error as error:
            status = self._curl.getinfo(pycurl.RESPONSE_CODE)
            # A refusal is a refusal, whatever becomes of its text.
            if status <= OK:
                raise self._translated(int(error.args[0])) from None
        else:
            status = self._curl.getinfo(pycurl.RESPONSE_CODE)
        return Reply(status, bytes(self._body), "" if status == OK else _retry_after(self._head))

    def close(self) -> None:
        self._curl.close()

    def _before_request(self, *_: object) -> int:
        # libcurl sends again by itself when an open connection breaks without an answer; here each request counts.
        answer = pycurl.PREREQFUNC_ABORT if self._sent else pycurl.PREREQFUNC_OK
        self._sent = True
        return answer

    def _on_body(self, data: bytes) -> int | None:
        self._body += data
        self._too_much = len(self._body) > MAX_BODY
        return -1 if self._too_much else None  # None: all is taken; -1: no more, please

    def _translated(self, code: int) -> requests.RequestException:
        if self._too_much:
            return TooMuchError("the answer is larger than 1 MiB")
        return _ERRORS.get(code, requests.ConnectionError)(f"libcurl error {code}")


def _curl(way: Way) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.NOSIGNAL, 1)  # or time-outs would not go together with threads
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)  # several at a time would gain nothing here
    curl.setopt(pycurl.SSL_VERIFYPEER, int(way.verify is not False))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    certificates = way.verify if isinstance(way.verify, str) else DEFAULT_CA_BUNDLE_PATH
    if Path(certificates).is_dir():
        curl.unsetopt(pycurl.CAINFO)
        curl.setopt(pycurl.CAPATH, certificates)
    else:
        curl.setopt(pycurl.CAINFO, certificates)
    curl.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")
    curl.setopt(pycurl.MAXCONNECTS, 1)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(way.timeout * 1000)))
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in way.headers.items()])
    # An empty name keeps libcurl from looking into the environment, which requests has done.
    curl.setopt(pycurl.PROXY, select_proxy(way.base_url, dict(way.proxies)) or "")
    return curl


def _retry_after(head: list[bytes]) -> str:
    """Return the text of a Retry-After header; the last answer's, where there was an interim one before."""
    for line in reversed(head):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return value.strip().decode("latin-1")
    return ""
