"""Counting the statements that reach PostgreSQL, without any privilege there: by listening on the way."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

_SIZE = 65536
_EXECUTED = frozenset(b"QE")  # a simple query, or the execution of a prepared one


class Wire:
    """Passes on what is sent to a server, and counts the statements in it."""

    def __init__(self, server: tuple[str, int]) -> None:
        """Listen on a port of its own."""
        self.statements = 0
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Take no more connections; those that are open end with their sides."""
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        waiting = b""
        started = False
        for part in _parts(client):
            with contextlib.suppress(OSError):
                server.sendall(part)
            waiting += part
            while (size := _size(waiting, started)) and len(waiting) >= size:
                self.statements += started and waiting[0] in _EXECUTED
                started, waiting = True, waiting[size:]
        _end(server)


def _size(waiting: bytes, started: bool) -> int:  # noqa: FBT001  the first message has no letter before its length
    """Return the size of the message that begins here, or 0 when that is not known yet."""
    start = int(started)
    return start + int.from_bytes(waiting[start : start + 4]) if len(waiting) >= start + 4 else 0


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    for part in _parts(source):
        with contextlib.suppress(OSError):
            target.sendall(part)
    _end(target)


def _parts(source: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while part := source.recv(_SIZE):
            yield part


def _end(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_WR)


@contextmanager
def counted(url: str) -> Iterator[tuple[str, Wire]]:
    """Give another URL for the same database, and what counts the statements that are sent to it."""
    parts = urlsplit(url)
    wire = Wire((parts.hostname or "127.0.0.1", parts.port or 5432))
    user, at, _ = parts.netloc.rpartition("@")
    try:
        # In the clear, or there would be nothing to count.
        plain = "sslmode=disable&gssencmode=disable"
        yield urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{wire.port}", query=plain)), wire
    finally:
        wire.close()
