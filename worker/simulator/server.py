"""The simulator as a web application, and the server that runs it."""

import os
import socket
import time
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from worker.simulator.api import Api, refusal
from worker.simulator.control import Control
from worker.simulator.gate import Gate
from worker.simulator.misbehaving import Drop, Misbehaving
from worker.simulator.options import SimulatorOptions
from worker.simulator.projects import Clock
from worker.simulator.simulation import Simulation

Announce = Callable[[str], None]
"""Called once with the URL of a server that now answers."""


def create_app(simulation: Simulation, drop: Drop) -> Starlette:
    """Return the web application on this state; `drop` cuts the connection to a client."""
    options = simulation.options
    return Starlette(
        routes=[*Api(simulation).routes(), *Control(simulation).routes()],
        middleware=[
            Middleware(Gate, api_keys=options.api_keys, answers=simulation.answers, note=simulation.note),
            Middleware(Misbehaving, misfortune=simulation.misfortune, drop=drop),
        ],
        exception_handlers={HTTPException: _refuse},
    )


def serve(
    options: SimulatorOptions,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    announce: Announce = lambda _url: None,
    clock: Clock = time.time,
) -> None:
    """Run a simulator until SIGINT or SIGTERM, which is raised again once everything is closed.

    Port 0 takes a free one: `announce` is told the URL as soon as it answers. Raises OSError if the address is taken.
    """
    AnnouncingServer(Simulation(options, clock), host, port, announce).serve_until_stopped()


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that owns its listening socket, so that nobody can take the port in between."""

    def __init__(self, simulation: Simulation, host: str, port: int, announce: Announce) -> None:
        """Bind the address."""
        # Nothing is logged but trouble: the simulator shall stay out of the way of whoever runs it.
        config = uvicorn.Config(
            create_app(simulation, self._drop),
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self._socket = _bind(host, port)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"
        self._announce = announce

    def serve_until_stopped(self) -> None:
        """Block until a signal, or until `should_exit` is set."""
        try:
            self.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def _drop(self, client: object) -> None:
        """Cut the connection to a client in the middle of its request."""
        for connection in self.server_state.connections:
            transport = getattr(connection, "transport", None)
            if transport is not None and getattr(connection, "client", None) == client:
                transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        self._announce(self._url)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only for sockets that name their protocol; with it each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # So that a restart need not wait for the last run's connections to fade; on Windows it would share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def _refuse(_request: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the API's own form instead of plain text."""
    if not isinstance(error, HTTPException):
        raise error
    return refusal(error.status_code, error.detail)
