"""Ending open requests cleanly when the server stops, without tracebacks in the log."""

import asyncio
import contextlib

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.web.gate.endable import EndableResponse

_SECONDS = 0.5


class EndWhenStopped:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        """End the requests of ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application respond, and finish the response if it is cancelled."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = EndableResponse(send)
        try:
            await self._app(scope, receive, response.send)
        except asyncio.CancelledError:
            stopping = PlainTextResponse("stopping; try again\n", 503, {"retry-after": "5"})
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_SECONDS):
                    await response.end(scope, receive, stopping)
