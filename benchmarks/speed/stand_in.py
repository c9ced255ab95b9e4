"""A stand-in for the API that costs next to nothing: one thread, epoll, and answers made beforehand.

python -m benchmarks.speed.stand_in [--delay 0.05] [--certificate FILE]

Prints its port. Every project runs for ever, until somebody asks for /end/<id>; /told/<id> answers with when it ended,
and when that was first told, by the machine's monotonic clock; /cost answers with the CPU seconds that the stand-in
has used, and how many requests it has answered.
"""

import argparse
import contextlib
import heapq
import json
import resource
import selectors
import socket
import ssl
import time
from datetime import UTC, datetime
from itertools import count
from typing import Final

# What a running video looks like at the vendor's, with the deprecated fields that are still sent.
_BODY: Final = (
    b'{"id":"%b","name":"My video","status":"%b","image_count":null,"type":"TEXT_TO_VIDEO","created_at":"%b",'
    b'"width":512,"height":960,"enabled":true,"start_seconds":0,"end_seconds":15,"total_frame_cost":450,'
    b'"credits_charged":450,"fps":30,"error":null,"download":null,"downloads":[]}'
)
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Tue, 01 Sep 2026 10:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\nX-Request-Id: 5f3c9b1e\r\n\r\n%b"
)
_BACKLOG: Final = 512


class StandIn:
    """Sockets that wait to be read, and answers that wait for their time."""

    def __init__(self, delay: float, certificate: str | None) -> None:
        """Listen on a port of its own."""
        self._delay = delay
        self._tls = _tls(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._waiting: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = count()
        self._ended: dict[bytes, list[float]] = {}
        self._answered = 0
        self._created = datetime.now(UTC).isoformat(timespec="milliseconds").encode()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Answer until the process is ended."""
        while True:
            for key, _ in self._selector.select(self._pause()):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)  # noqa: S101  nothing else is registered
                if connection is self._listener:
                    self._accept()
                else:
                    self._read(connection)
            self._send_waiting()

    def _pause(self) -> float | None:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(0)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            asked = connection.recv(8192)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            asked = b""
        if not asked:
            self._selector.unregister(connection)
            connection.close()
            return
        # One request at a time, and a small one: this is no server for the wild.
        answer = self._answer(asked.split(b" ", 2)[1])
        if self._delay:
            heapq.heappush(self._waiting, (time.monotonic() + self._delay, next(self._order), connection, answer))
        else:
            _send(connection, answer)

    def _answer(self, path: bytes) -> bytes:
        last = path.rsplit(b"/", 1)[1]
        if path == b"/cost":
            used = resource.getrusage(resource.RUSAGE_SELF)
            body = json.dumps([used.ru_utime + used.ru_stime, self._answered]).encode()
        elif path.startswith(b"/end/"):
            self._ended.setdefault(last, [time.monotonic()])
            body = b"true"
        elif path.startswith(b"/told/"):
            body = json.dumps(self._ended.get(last, [])).encode()
        else:
            self._answered += 1
            body = _BODY % (last, self._status(last), self._created)
        return _HEAD % (len(body), body)

    def _status(self, project: bytes) -> bytes:
        times = self._ended.get(project)
        if times is None:
            return b"rendering"
        if len(times) == 1:
            times.append(time.monotonic())
        return b"complete"

    def _send_waiting(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, connection, answer = heapq.heappop(self._waiting)
            _send(connection, answer)


def _send(connection: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.send(answer)


def _tls(certificate: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def main() -> None:
    """Say where, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until each answer")
    parser.add_argument("--certificate", help="a PEM file with key and certificate: then it speaks TLS")
    given = parser.parse_args()
    server = StandIn(given.delay, given.certificate)
    print(server.port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


if __name__ == "__main__":
    main()
