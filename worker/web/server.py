"""The server: its own listening socket, a clean stop, and no listening to strangers without a token."""

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from worker.store.engine import Database
from worker.store.tokens import any_token

_STOP_SECONDS: Final = 5
_MOST_CONNECTIONS: Final = 20_000


class NotGuardedError(ValueError):
    """An address that others can reach, while there is no token to guard it."""


def check_guarded(database: Database, host: str) -> None:
    """Refuse to listen to anybody but this machine as long as there is no token. Raises NotGuardedError."""
    if is_loopback(host):
        return
    with database.read() as connection:
        guarded = any_token(connection)
    if not guarded:
        raise NotGuardedError(
            f"{host} can be reached from other machines, and there is no token yet: nobody could log in, and a mistake "
            "would open everything. Make one first: renderwatch tokens create NAME --scope read --scope operate; or "
            "listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. A name that is not localhost could be anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class WebServer(uvicorn.Server):
    """Tells its address as soon as it answers."""

    def __init__(self, app: ASGIApp, host: str, port: int, announce: Callable[[str], None]) -> None:
        """Bind the address. Raises OSError."""
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        host = host.strip("[]")
        self._socket = _bind(host, port)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"
        self._announce = announce

    def serve_until_stopped(self) -> None:
        """Block until SIGINT or SIGTERM, or until `should_exit` is set."""
        try:
            self.run(sockets=[self._socket])
        finally:
            self._socket.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.started:
            self._announce(self._url)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
