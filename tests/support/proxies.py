"""A SOCKS5 proxy and an HTTP proxy, with or without credentials, as small as they can be."""

import base64
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, Literal
from urllib.parse import urlsplit

Kind = Literal["socks", "http"]
_CREDENTIALS: Final = 2
_BY_NAME: Final = 3
_REFUSED: Final = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


class Proxy:
    """Passes on what comes to its port, to ports of this host. ``targets`` is where clients wanted to go."""

    def __init__(self, kind: Kind, user: str = "", password: str = "") -> None:
        self._serve = self._socks if kind == "socks" else self._http
        self._user, self._password = user.encode(), password.encode()
        self.targets: list[str] = []
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client: socket.socket) -> None:
        with client, client.makefile("rb", buffering=0) as stream, suppress(OSError, IndexError, struct.error):
            server = self._serve(client, stream)  # type: ignore[arg-type]  # unbuffered, it is a raw stream
            if server is not None:
                with server:
                    _pump(client, server)

    def _socks(self, client: socket.socket, stream: BinaryIO) -> socket.socket | None:
        _, methods = stream.read(2)
        stream.read(methods)
        if self._user:
            client.sendall(bytes([5, _CREDENTIALS]))
            stream.read(1)
            user = stream.read(stream.read(1)[0])
            password = stream.read(stream.read(1)[0])
            fits = (user, password) == (self._user, self._password)
            if not fits:
                self.refused += 1  # before the client hears of it, who may look at once
                client.sendall(b"\x01\x01")
                return None
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        kind = stream.read(4)[3]
        host = stream.read(stream.read(1)[0] if kind == _BY_NAME else 4 if kind == 1 else 16)
        (port,) = struct.unpack(">H", stream.read(2))
        self.targets.append(f"{host.decode() if kind == _BY_NAME else 'an address'}:{port}")
        server = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return server

    def _http(self, client: socket.socket, stream: BinaryIO) -> socket.socket | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.read(1)
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        wanted = base64.b64encode(self._user + b":" + self._password)
        if self._user and wanted not in head:
            self.refused += 1
            client.sendall(_REFUSED)
            return None
        self.targets.append(f"{method} {target}")
        if method == "CONNECT":
            server = socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return server
        url = urlsplit(target)
        server = socket.create_connection(("127.0.0.1", url.port or 80))
        server.sendall(head.replace(target.encode(), url.path.encode(), 1))
        return server


@contextmanager
def proxy(kind: Kind, user: str = "", password: str = "") -> Iterator[Proxy]:
    """Run a proxy, which takes these credentials alone if any are given."""
    running = Proxy(kind, user, password)
    try:
        yield running
    finally:
        running.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
