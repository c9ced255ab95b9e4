"""The connections of the ``requests`` transport: one time-out for all addresses, and interim responses skipped."""

import http.client
import io
import os
import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    _Base = HTTPConnection
else:
    _Base = object

_MOST_INTERIM: Final = 10
_MOST_ADDRESSES: Final = 10
_LONGEST_WAIT: Final = 60.0


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket until a deadline; a socket's own time-out restarts with each byte."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()
        self._deadline = time.monotonic() + (_LONGEST_WAIT if timeout is None else timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class FinalResponse(http.client.HTTPResponse):
    """Bounds the time from the first byte of a response to the last, and skips interim responses.

    http.client skips only 100 Continue, and treats others, such as 103 Early Hints, as final.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  http.client's own
        """Read from the socket with a deadline."""
        super().__init__(sock, *args, **kwargs)
        self.fp: io.BufferedReader = io.BufferedReader(_UntilDeadline(self.fp.detach(), sock))

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM):
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in the stubs
            if not http.HTTPStatus.CONTINUE <= found[1] < http.HTTPStatus.OK:
                return found
            http.client.parse_headers(self.fp)
        raise http.client.BadStatusLine("too many interim responses")


_Found: TypeAlias = list[tuple[int, int, int, str, Any]]
# Running lookups by host and port; concurrent requests for the same name share one thread.
_lookups: Final[dict[tuple[str, int], "Future[_Found]"]] = {}
_lookups_lock: Final = threading.Lock()
os.register_at_fork(after_in_child=_lookups.clear)  # their threads stay in the parent


def _resolve(host: str, port: int, timeout: float) -> _Found:
    """Return a name's addresses. Raises TimeoutError, which the system's resolver cannot."""
    key = host, port
    with _lookups_lock:
        lookup = _lookups.get(key)
        if lookup is None:
            lookup = _lookups[key] = Future()
            threading.Thread(target=_look_up, args=(key, lookup), name="resolver", daemon=True).start()
    return lookup.result(timeout)


def _look_up(key: tuple[str, int], lookup: "Future[_Found]") -> None:
    try:
        found: Any = socket.getaddrinfo(*key, 0, socket.SOCK_STREAM)[:_MOST_ADDRESSES]
    except BaseException as error:  # noqa: BLE001  raised in the waiting threads
        _lookups.pop(key, None)
        lookup.set_exception(error)
    else:
        _lookups.pop(key, None)
        lookup.set_result(found)


class _Bounded(_Base):
    """Connects within one time-out, however many addresses the name has: each gets its share of the rest."""

    response_class = FinalResponse

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        timeout = float(self.timeout or 0)
        deadline = time.monotonic() + timeout
        try:
            found = _resolve(host, int(self.port or 0), timeout or _LONGEST_WAIT)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"the name {host} was not resolved within {timeout:g} s") from error
        except (socket.gaierror, UnicodeError) as error:
            wrapped = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, wrapped) from error
        last: OSError | None = None
        for left in range(len(found), 0, -1):
            family, kind, protocol, _, address = found[-left]
            share = max(0.001, (deadline - time.monotonic()) / left)
            try:
                return self._connected(family, kind, protocol, address, share, timeout)
            except OSError as error:
                last = error
        if isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, f"no address of {host} answered within {timeout:g} s") from last
        raise NewConnectionError(self, str(last)) from last

    def _connected(
        self,
        family: int,
        kind: int,
        protocol: int,
        address: Any,  # noqa: ANN401  each family has its own
        share: float,
        timeout: float,
    ) -> socket.socket:
        made = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                made.setsockopt(*option)
            made.settimeout(share)
            made.connect(address)
            made.settimeout(timeout)
        except OSError:
            made.close()
            raise
        return made


def bound(pool: HTTPConnectionPool) -> None:
    """Make a pool use these connections. Pools with a SOCKS proxy connect in their own way."""
    theirs = pool.ConnectionCls
    through_socks = "socks" in theirs.__module__
    mixed = (theirs,) if through_socks else (_Bounded, theirs)
    pool.ConnectionCls = type("Connection", mixed, {"response_class": FinalResponse})
