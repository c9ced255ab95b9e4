"""What both transports share: the API's configuration, its replies, and the Sender interface.

A sender sends each request once, follows no redirect, reads at most MAX_BODY bytes of a response, bounds the time that
it takes, and raises ``requests`` exceptions. Several threads may use one sender; after a fork, make a new one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

MAX_BODY: Final = 1024 * 1024
OK: Final = 200

Transport = Literal["auto", "requests", "curl"]


class ResponseTooLargeError(requests.RequestException):
    """The response is too large."""


class MisconfiguredError(requests.RequestException):
    """The environment's certificates or proxies cannot be used. The message says what to do."""


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """How to reach the API: its address, headers, and the environment's certificates and proxies.

    ``timeout`` is in seconds and bounds connecting, each wait for data, and the whole answer; ``connections`` is how
    many there are at most, and stay open. ``verify`` is True, or a file or folder of certificates; ``proxies`` are by
    scheme.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)  # the key is in them
    timeout: float
    connections: int
    verify: bool | str
    proxies: Mapping[str, str] = field(repr=False)  # their passwords too

    @property
    def certificates(self) -> str:
        """The file or folder of the trusted certificates."""
        return self.verify if isinstance(self.verify, str) else DEFAULT_CA_BUNDLE_PATH

    def unreadable_certificates(self) -> MisconfiguredError:
        """Return the error for missing certificates."""
        names = "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE" if isinstance(self.verify, str) else "the package certifi"
        return MisconfiguredError(f"the trusted certificates in {self.certificates} cannot be read; {names} names them")


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: status, body, and the text of its Retry-After header."""

    status: int
    body: bytes
    retry_after: str = ""


Outcome = Reply | requests.RequestException
# Called with the position of a path, the outcome of its request, and the seconds it took.
OnOutcome = Callable[[int, Outcome, float], None]


class Sender(Protocol):
    """Sends GET requests to one API."""

    def get(self, path: str) -> Reply:
        """Send a request for a path below the base URL. Raises requests.RequestException without a response.

        Its message, if it has one, is the reason, without secrets.
        """

    def get_all(self, paths: Sequence[str], latest_start: float, on_outcome: OnOutcome) -> None:
        """Send a request for each path, concurrently, and report each outcome as it comes.

        No request starts after ``latest_start``, a time of the monotonic clock. ``on_outcome`` may be called by other
        threads, and by several at once. An exception that it raises aborts all requests.
        """

    def close(self) -> None:
        """Close the connections."""
