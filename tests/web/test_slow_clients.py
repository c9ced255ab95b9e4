"""Connections that never send a whole request are closed, however often a byte of it arrives; others are not."""

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from worker.asgi_server import AsgiServer

_SECONDS = 1.0
_HEAD = "GET / HTTP/1.1\r\nhost: x\r\n"


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """Respond without reading a body."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def url() -> Iterator[str]:
    with AsgiServer(answer, "127.0.0.1", 0, head_seconds=_SECONDS).serving_in_thread() as url:
        yield url


def is_closed_while_sending(url: str, start: str, part: str) -> bool:
    """Send the start of a request, then a part of it over and over. Returns whether the server ends that."""
    address = urlsplit(url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 0), 10) as connection:
        connection.settimeout(0.05)
        end = time.monotonic() + 30
        with contextlib.suppress(ConnectionError):
            connection.sendall(start.encode())
            while time.monotonic() < end:
                connection.sendall(part.encode())
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1000):
                        return True
            return False
    return True


@pytest.mark.parametrize(
    ("start", "part"),
    [("", ""), (_HEAD, "x: y\r\n"), ("", "\r\n"), (f"{_HEAD}content-length: 99999\r\n\r\n", "x")],
    ids=["nothing", "a head without end", "empty lines", "a body that was answered already"],
)
def test_a_request_that_never_ends_is_closed(url: str, start: str, part: str) -> None:
    assert is_closed_while_sending(url, start, part)


def test_a_client_that_asks_again_and_again_keeps_its_connection(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        ports = set()
        end = time.monotonic() + 3 * _SECONDS
        while time.monotonic() < end:
            with client.stream("GET", "/") as response:
                response.read()
                ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
            time.sleep(0.1)
    assert len(ports) == 1
