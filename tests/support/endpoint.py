"""An HTTP or HTTPS endpoint for tests, over plain sockets, so that it can misbehave in every way that a server can."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Received:
    """One request: header names are in lower case. ``connection`` numbers the connection that it came on."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)


def answering(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


Behaviour = Callable[[Received, socket.socket], object]


class Endpoint:
    """Listens on a port of 127.0.0.1, keeps connections open, and remembers what it received.

    ``behaviour`` answers each request: it sends what it likes, and ends the connection by raising OSError.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.received: list[Received] = []
        self.behaviour: Behaviour = lambda _request, client: client.sendall(OK)
        self.connections = 0
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._listener.settimeout(0.2)
        self._stopped = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped: behaviours that wait end then."""
        return self._stopped

    def stop(self) -> None:
        """Close the port and all connections, whatever they are doing."""
        self._stopped = True
        self._thread.join()
        self._listener.close()
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopped:
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), self._wrapped(client) as wrapped:
            with self._lock:
                self._open.add(wrapped)
            try:
                with wrapped.makefile("rb") as file:
                    while not self._stopped and (request := _read(file, number)):
                        self.received.append(request)
                        self.behaviour(request, wrapped)
            finally:
                with self._lock:
                    self._open.discard(wrapped)

    def _wrapped(self, client: socket.socket) -> socket.socket:
        client.settimeout(60)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return self._tls.wrap_socket(client, server_side=True) if self._tls else client
        except OSError:
            client.close()
            raise


def _read(file: BinaryIO, number: int) -> Received | None:
    line = file.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body, number)


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a server needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextmanager
def endpoint(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Endpoint]:
    """Run an endpoint."""
    made = Endpoint(tls, host, port)
    try:
        yield made
    finally:
        made.stop()
