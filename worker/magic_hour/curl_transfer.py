"""A libcurl handle: its options, and its result."""

from pathlib import Path
from typing import Final

import pycurl
import requests
from requests.utils import select_proxy

from worker.magic_hour.sender import MAX_BODY, OK, ApiConfig, Outcome, Reply, ResponseTooLargeError

# All other libcurl errors are connection errors.
_ERRORS: Final[dict[int, type[requests.RequestException]]] = {
    pycurl.E_OPERATION_TIMEDOUT: requests.Timeout,
    pycurl.E_PEER_FAILED_VERIFICATION: requests.exceptions.SSLError,
    pycurl.E_SSL_CONNECT_ERROR: requests.exceptions.SSLError,
    pycurl.E_COULDNT_RESOLVE_PROXY: requests.exceptions.ProxyError,
    pycurl.E_BAD_CONTENT_ENCODING: requests.exceptions.ContentDecodingError,
    pycurl.E_URL_MALFORMAT: requests.exceptions.InvalidURL,
}
# Hundreds of responses of 1 MiB at once would be too much. Responses of normal size are never refused.
_MOST_HELD: Final = 64 * MAX_BODY
_USUAL_BODY: Final = MAX_BODY // 16


class Held:
    """The bytes of bodies held by all transfers of a loop."""

    def __init__(self) -> None:
        """Start with none."""
        self.bytes = 0


class Transfer:
    """A libcurl handle with the response received so far."""

    __slots__ = ("_body", "_config", "_head", "_held", "_sent", "_too_much", "curl", "position")

    def __init__(self, config: ApiConfig, held: Held) -> None:
        """Set up a handle for the API."""
        self.curl: Final = _curl(config)
        self.position = 0
        self._config = config
        self._held = held
        self._head: list[bytes] = []
        self._body = bytearray()
        self._sent = False
        self._too_much = False
        self.curl.setopt(pycurl.PREREQFUNCTION, self._before_request)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def prepare(self, position: int, path: str) -> None:
        """Prepare a request; ``position`` is its index among several."""
        self.position = position
        self._sent = self._too_much = False
        self.curl.setopt(pycurl.URL, self._config.base_url + path)

    def outcome(self, code: int, words: str) -> Outcome:
        """Return the outcome of a request that ended with an error code, and release it."""
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        # An error status counts even if its body cannot be read.
        if code != pycurl.E_OK and status <= OK:
            outcome: Outcome = self._translated(code, words)
        else:
            outcome = Reply(status, bytes(self._body), "" if status == OK else _retry_after(self._head))
        self._held.bytes -= len(self._body)
        self._head.clear()
        self._body.clear()
        return outcome

    def _before_request(self, *_: object) -> int:
        # libcurl resends automatically if an open connection breaks, but requests are limited.
        answer = pycurl.PREREQFUNC_ABORT if self._sent else pycurl.PREREQFUNC_OK
        self._sent = True
        return answer

    def _on_body(self, data: bytes) -> int | None:
        self._body += data
        self._held.bytes += len(data)
        size = len(self._body)
        self._too_much = size > MAX_BODY or (size > _USUAL_BODY and self._held.bytes > _MOST_HELD)
        return -1 if self._too_much else None  # None: accepted; -1: abort

    def _translated(self, code: int, words: str) -> requests.RequestException:
        if self._too_much:
            is_alone = len(self._body) > MAX_BODY
            return ResponseTooLargeError(
                "the answer is larger than 1 MiB" if is_alone else "the answer is one of too many large ones at a time"
            )
        if code == pycurl.E_SSL_CACERT_BADFILE:
            return self._config.unreadable_certificates()
        return _ERRORS.get(code, requests.ConnectionError)(words or f"libcurl error {code}")


def _curl(config: ApiConfig) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.NOSIGNAL, 1)  # needed for time-outs in threads
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)  # one connection per running request
    curl.setopt(pycurl.SSL_VERIFYPEER, int(config.verify is not False))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    if Path(config.certificates).is_dir():
        curl.unsetopt(pycurl.CAINFO)
        curl.setopt(pycurl.CAPATH, config.certificates)
    else:
        curl.setopt(pycurl.CAINFO, config.certificates)
    curl.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(config.timeout * 1000)))
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in config.headers.items()])
    # An empty value stops libcurl from reading the environment, which requests has already done.
    curl.setopt(pycurl.PROXY, select_proxy(config.base_url, dict(config.proxies)) or "")
    return curl


def _retry_after(head: list[bytes]) -> str:
    """Return the text of a Retry-After header; that of the final response, after any interim ones."""
    for line in reversed(head):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return value.strip().decode("latin-1")
    return ""
