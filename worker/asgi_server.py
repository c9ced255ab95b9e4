"""An HTTP server for an ASGI application, in the main thread or in a thread of its own."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

Announce = Callable[[str], None]
"""Called once with the URL when the server accepts requests."""

_MOST_CONNECTIONS: Final = 20_000
_START_SECONDS: Final = 30
# The part of the time to stop in which requests may finish by themselves.
_GRACE: Final = 0.7
# In these seconds a client must send the whole head of a request, or the rest of a body that was answered early.
_HEAD_SECONDS: Final = 30.0
# How often uvicorn calls on_tick().
_TICKS_PER_SECOND: Final = 10


class AsgiServer(uvicorn.Server):
    """A uvicorn server that owns its listening socket, so that nothing else can take the port meanwhile."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        announce: Announce = lambda _url: None,
        *,
        stop_seconds: int = 5,
        head_seconds: float = _HEAD_SECONDS,
    ) -> None:
        """Bind the address; port 0 takes a free one. Raises OSError if the address is not available.

        `announce` is called with the URL once the server responds. Open requests have `stop_seconds` to finish.
        A connection without a request is closed after `head_seconds`, even if parts of one keep arriving.
        """
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                log_level="warning",  # `announce` reports the rest
                access_log=False,
                server_header=False,
                proxy_headers=False,  # uvicorn would trust every process on this host; see worker/web/gate/proxies.py
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=stop_seconds,
            )
        )
        host = host.strip("[]")
        self._socket = _bind(host, port)
        self.url: Final = f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"
        self._announce = announce
        self._answers = threading.Event()
        self._waiting = WaitingConnections(head_seconds)
        self._ticks = max(1, int(head_seconds * _TICKS_PER_SECOND / 6))

    def serve_until_stopped(self) -> None:
        """Block until SIGINT or SIGTERM, or until `should_exit` is set."""
        try:
            self.run(sockets=[self._socket])
        finally:
            self._socket.close()

    @contextmanager
    def serving_in_thread(self) -> Iterator[str]:
        """Serve in a thread while the context lasts, and yield the URL. Raises RuntimeError if the start fails."""
        thread = threading.Thread(target=self.serve_until_stopped, name="asgi-server", daemon=True)
        thread.start()
        try:
            if not self._answers.wait(_START_SECONDS):
                raise RuntimeError(f"the server on {self.url} did not start within {_START_SECONDS} seconds")
            yield self.url
        finally:
            self.should_exit = True
            thread.join()

    def cut_connection(self, client: object) -> None:
        """Abort the connection to a client (address and port) during its request."""
        for connection in self.server_state.connections:
            transport = getattr(connection, "transport", None)
            if transport is not None and getattr(connection, "client", None) == client:
                transport.abort()

    async def on_tick(self, counter: int) -> bool:
        """Close connections without a request. uvicorn does so only after a response, and only if they are silent."""
        if counter % self._ticks == 0:
            self._waiting.close(self.server_state.connections, time.monotonic())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; end what is still open, such as streams, before uvicorn cancels it and logs an error."""
        ending = asyncio.create_task(self._end_open_requests())
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()

    async def _end_open_requests(self) -> None:
        await asyncio.sleep((self.config.timeout_graceful_shutdown or 0) * _GRACE)
        for task in self.server_state.tasks:
            task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce the URL."""
        await super().startup(sockets)
        if self.started:
            self._announce(self.url)
            self._answers.set()


class WaitingConnections:
    """The connections that have no request under way, and since when: those of idle and of very slow clients."""

    def __init__(self, seconds: float) -> None:
        """They may wait for so many ``seconds``."""
        self._seconds = seconds
        # With the request that each had last: a new one shows that the client is not slow.
        self._since: dict[object, tuple[object, float]] = {}

    def close(self, connections: Iterable[object], now: float) -> None:
        """Close those that have waited too long. Responses that are still on their way are sent first."""
        waiting: dict[object, tuple[object, float]] = {}
        for connection in list(connections):
            request = getattr(connection, "cycle", None)
            if request is not None and not request.response_complete:
                continue
            known, since = self._since.get(connection, (None, now))
            waiting[connection] = (request, since if known is request else now)
            transport = getattr(connection, "transport", None)
            if transport is not None and now - waiting[connection][1] > self._seconds:
                transport.close()
        self._since = waiting


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only on sockets created with a protocol; otherwise each response takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A restart does not have to wait for old connections in TIME_WAIT; on Windows this would share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
