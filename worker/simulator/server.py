"""The simulator as a web application, and a server for it."""

import time
from contextlib import nullcontext

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from worker.asgi_server import Announce, AsgiServer
from worker.simulator.admission import Gate
from worker.simulator.api import Api, refusal
from worker.simulator.control import Control
from worker.simulator.fault_responses import Drop, Misbehaving
from worker.simulator.lifecycle.projects import Clock
from worker.simulator.options import SimulatorOptions
from worker.simulator.simulation import Simulation
from worker.simulator.webhooks import WebhookOptions


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
    webhooks: WebhookOptions | None = None,
) -> None:
    """Run a simulator until SIGINT or SIGTERM, which is raised again once everything is closed.

    Port 0 picks a free one: `announce` receives the URL once it responds. Raises OSError if the address is taken.
    """
    simulation = Simulation(options, clock)
    server = make_server(simulation, host, port, announce)
    with simulation.sending_webhooks(webhooks, server.url) if webhooks else nullcontext():
        server.serve_until_stopped()


def make_server(simulation: Simulation, host: str, port: int, announce: Announce = lambda _url: None) -> AsgiServer:
    """Return a server for this simulation that listens on the address. Raises OSError if it is taken."""

    def drop(client: object) -> None:
        server.cut_connection(client)

    server = AsgiServer(create_app(simulation, drop), host, port, announce, stop_seconds=2)
    return server


async def _refuse(_request: Request, error: Exception) -> Response:
    """Respond to an unknown path or method in the API's own error format instead of plain text."""
    if not isinstance(error, HTTPException):
        raise error
    return refusal(error.status_code, error.detail)
