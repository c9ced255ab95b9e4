"""Name resolution with a time-out, which the system's resolver lacks."""

import socket
import threading
from concurrent.futures import Future
from typing import Final

SocketAddress = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]

_running: dict[tuple[str, int], "Future[list[SocketAddress]]"] = {}
_lock: Final = threading.Lock()


class LookupTimeoutError(TimeoutError):
    """A name server that did not answer in time."""


def look_up(host: str, port: int, timeout: float) -> list[SocketAddress]:
    """Return the addresses of a host, in the order to try them. Raises LookupTimeoutError, or OSError for none.

    Concurrent lookups of a name share one thread, so a name server that hangs costs one thread per name.
    """
    key = host, port
    with _lock:
        future = _running.get(key)
        if future is None:
            future = _running[key] = Future()
            threading.Thread(target=_look_up, args=(key, future), name="lookup", daemon=True).start()
    try:
        return future.result(timeout)
    except TimeoutError:
        raise LookupTimeoutError(f"the name server did not answer for {host}") from None


def _look_up(key: tuple[str, int], future: "Future[list[SocketAddress]]") -> None:
    host, port = key
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        future.set_result([(family, address) for family, *_, address in found])  # type: ignore[misc]  # both families
    except BaseException as error:  # noqa: BLE001  raised in the waiting threads
        future.set_exception(error)
    finally:
        with _lock:
            _running.pop(key, None)
