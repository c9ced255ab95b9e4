"""``/livez`` and ``/readyz``, for load balancers and container managers: without login, limits and logs.

A process that responds is alive. It is ready if it can serve requests: the database responds and has our tables.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.store.engine import Database
from worker.store.monitoring.job_heartbeats import last_heartbeat

# Anyone may ask, so the database is queried at most this often, by one thread at a time.
_KEPT: Final = 1.0
_TIMEOUT: Final = 3.0
_NOT_READY: Final = "web: not ready: the database does not answer; run renderwatch doctor for details\n"


class Probes:
    """ASGI middleware that answers the two paths, and passes everything else on."""

    def __init__(self, app: ASGIApp, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Use a thread of its own, because the application's threads may all be waiting for the database."""
        self._app = app
        self._database = database
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "readyz")
        self._asking: asyncio.Future[None] | None = None
        self._ready = False
        self._asked_at = -_KEPT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a probe, or let the application respond."""
        path = scope.get("path") if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        if path == "/livez":
            await _answer("web: alive\n", 200)(scope, receive, send)
        elif path == "/readyz":
            ready = await self._is_ready()
            response = _answer("web: ready\n", 200) if ready else _answer(_NOT_READY, 503)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _is_ready(self) -> bool:
        if self._asking is None and self._clock() - self._asked_at < _KEPT:
            return self._ready
        if self._asking is None:
            self._asking = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._thread, self._ask))
            self._asking.add_done_callback(self._note)
        try:
            await asyncio.wait_for(asyncio.shield(self._asking), _TIMEOUT)
        except Exception:  # noqa: BLE001  whatever it is, requests would fail too
            return False
        return True

    def _note(self, asked: asyncio.Future[None]) -> None:
        self._asking = None
        self._ready = not asked.cancelled() and asked.exception() is None
        self._asked_at = self._clock()

    def _ask(self) -> None:
        with self._database.read() as connection:
            last_heartbeat(connection, "dispatch")


def _answer(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text, status, {"cache-control": "no-store"})
