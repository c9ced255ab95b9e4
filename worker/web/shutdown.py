"""Ending open requests cleanly when the server stops, without tracebacks in the log."""

import asyncio
import contextlib

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_SECONDS):
                    if started:
                        await send({"type": "http.response.body", "body": b"", "more_body": False})
                    else:
                        stopping = PlainTextResponse("stopping; try again\n", 503, {"retry-after": "5"})
                        await stopping(scope, receive, send)
