"""A connection to a webhook's host: to a checked address, with limits on time and bytes read."""

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from worker.delivery.addresses import Network, why_refused
from worker.delivery.lookups import SocketAddress, look_up

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# An address that does not respond must leave time for the others.
_MOST_ADDRESSES: Final = 8
_MOST_SECONDS_TO_CONNECT: Final = 5.0
# Per response, including headers.
_MOST_READ: Final = 64 * 1024


class RefusedAddressError(OSError):
    """A host whose addresses are not allowed."""


class AnswerTooLargeError(OSError):
    """A webhook response that is too large."""


class Connection(http.client.HTTPConnection):
    """A connection that resolves its host once, checks the address, and connects to that same address.

    Every exchange has a deadline (``time.monotonic``) for resolving, connecting, the TLS handshake, sending, and
    reading the whole response. Proxies from the environment are not used: they would resolve the name.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, allowed: Sequence[Network]) -> None:
        """Do not connect yet; ``tls`` is None for plain HTTP."""
        super().__init__(host, port)
        self.default_port = 80 if tls is None else 443  # omitted in the Host header
        self.last_used = self.opened = time.monotonic()
        self._tls: Final = tls
        self._allowed: Final = allowed
        self._bounded: _BoundedSocket | None = None
        self._deadline = 0.0

    def begin(self, deadline: float) -> None:
        """Start an exchange that must end by the deadline."""
        self._deadline = deadline
        if self._bounded is not None:
            self._bounded.begin(deadline)

    def hurry(self, seconds: float) -> None:
        """Bring the deadline forward to a number of seconds from now."""
        if self._bounded is not None:
            self._bounded.deadline = min(self._bounded.deadline, time.monotonic() + seconds)

    def connect(self) -> None:
        """Connect. Raises RefusedAddressError, TimeoutError, and OSError."""
        host = self.host.strip("[]")
        made = self._connected(look_up(host, self.port, _left(self._deadline, _MOST_SECONDS_TO_CONNECT)))
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                made.settimeout(_left(self._deadline))
                made = self._tls.wrap_socket(made, server_hostname=host)
        except BaseException:
            made.close()
            raise
        self._bounded = _BoundedSocket(made)
        self._bounded.begin(self._deadline)
        self.sock: Any = self._bounded  # the part of a socket that http.client uses

    def _connected(self, found: Sequence[SocketAddress]) -> socket.socket:
        refusals = {address[0]: why_refused(address[0], self._allowed) for _, address in found}
        permitted = [(family, address) for family, address in found if refusals[address[0]] is None][:_MOST_ADDRESSES]
        if not permitted:
            ip, why = next(iter(refusals.items()), ("nothing", "no address"))
            resolved = "" if ip == self.host else f"{ip}, "
            raise RefusedAddressError(
                f"{self.host} is {resolved}{why}; RENDERWATCH_WEBHOOK_ALLOW_NETWORKS can allow it"
            )
        deadline = min(self._deadline, time.monotonic() + _MOST_SECONDS_TO_CONNECT)
        last: OSError | None = None
        for tried, (family, address) in enumerate(permitted):
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                made.settimeout(_left(deadline) / (len(permitted) - tried))
                made.connect(address)
            except OSError as error:
                made.close()
                last = error
            else:
                return made
        raise last or TimeoutError

    def is_reusable(self, idle: float, age: float) -> bool:
        """Whether it is open, not idle or open for too long, and received nothing since its response."""
        now = time.monotonic()
        if self._bounded is None or now - self.last_used > idle or now - self.opened > age:
            return False
        return not select.select([self._bounded], [], [], 0)[0]


def _left(deadline: float, most: float = float("inf")) -> float:
    """Return the seconds until a deadline. Raises TimeoutError if it has passed."""
    left = min(most, deadline - time.monotonic())
    if left <= 0:
        raise TimeoutError
    return left


class _BoundedSocket:
    """The part of a socket that http.client uses, with a deadline and a limit on bytes read.

    A socket's own time-out restarts with each byte.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock: Final = sock
        self.deadline = 0.0
        self.budget = 0

    def begin(self, deadline: float) -> None:
        self.deadline = deadline
        self.budget = _MOST_READ

    def fileno(self) -> int:
        return self._sock.fileno()

    def sendall(self, data: "ReadableBuffer") -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(_left(self.deadline))
            rest = rest[self._sock.send(rest) :]

    def recv_into(self, buffer: "WriteableBuffer") -> int:
        if self.budget <= 0:
            raise AnswerTooLargeError(f"the answer is larger than {_MOST_READ // 1024} KiB")
        self._sock.settimeout(_left(self.deadline))
        received = self._sock.recv_into(buffer, min(self.budget, len(memoryview(buffer))))
        self.budget -= received
        return received

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    """The reading side of a bounded socket."""

    def __init__(self, sock: _BoundedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._sock.recv_into(buffer)
