"""The access log: one line for each request, without query, token or other secrets."""

import logging
import re
import time
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.domain.log_events import event
from worker.store.access_tokens import Caller

_LOG: Final = logging.getLogger("renderwatch.web.access")
_LONGEST_PATH: Final = 200
_LONGEST_METHOD: Final = 20
# Users will put tokens into paths, where they do not belong.
_TOKEN: Final = re.compile(r"rw_[A-Za-z0-9_-]+")


class AccessLog:
    """ASGI middleware around the gate, which identifies the caller."""

    def __init__(self, app: ASGIApp) -> None:
        """Log the requests that ``app`` handles."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application respond, then log. A stream is logged when it ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _write(scope, status, time.monotonic() - started)


def _write(scope: Scope, status: int, seconds: float) -> None:
    caller = scope.get("caller")
    method = quote(scope["method"][:_LONGEST_METHOD], safe="")
    path = quote(_TOKEN.sub("rw_***", scope["path"])[:_LONGEST_PATH], safe="/:@!$&'()*+,;=~")
    name = caller.name if isinstance(caller, Caller) else None
    _LOG.info(
        "%s %s %d %.0f ms, caller: %s",
        method,
        path,
        status,
        1000 * seconds,
        name or "unknown",
        extra=event("request_served", method=method, path=path, status=status, seconds=round(seconds, 4), caller=name),
    )
