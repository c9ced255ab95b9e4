"""A small HTTP server whose answer a test writes itself, down to the bytes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

Answer = Callable[[BaseHTTPRequestHandler], None]
SHORTLY: Final = 5.0  # a bound for what happens at once


class Server(ThreadingHTTPServer):
    """Notes the requests and who connected."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.connections: set[object] = set()
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.server.authorizations.append(self.headers["Authorization"])
        self.server.connections.add(self.client_address)
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def reply(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A whole answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(data: bytes) -> Answer:
    """These bytes, then the connection ends."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """A server on a port of its own."""
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
