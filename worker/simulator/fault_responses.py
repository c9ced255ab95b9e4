"""Faulty responses: carries out the faults of faults.py."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.simulator.faults import Fault, Misfortune

Drop = Callable[[Any], None]
"""Cuts the connection to a client, given as (host, port)."""

OVERSIZED: Final = 2 * 1024 * 1024
LONG_TYPE: Final = 2000
_NEEDED_FIELDS: Final = ("id", "status", "credits_charged", "enabled", "created_at")
_STATUSES: Final[dict[Fault, tuple[int, str]]] = {
    "500": (500, "Internal Server Error"),
    "503": (503, "Service Unavailable"),
    "flapping": (503, "Service Unavailable"),
    "403": (403, "Forbidden"),
    "404": (404, "Not Found"),
    "429_seconds": (429, "Too Many Requests"),
    "429_date": (429, "Too Many Requests"),
    "redirect": (302, "Found"),
}
_PAGE: Final = "<!doctype html><title>Just a moment</title><h1>Checking your browser</h1>"


class Misbehaving:
    """ASGI middleware around the reading of projects: passes a request on, or carries out a fault."""

    def __init__(self, app: ASGIApp, misfortune: Misfortune, drop: Drop) -> None:
        """`misfortune` returns the fault of each request; `drop` cuts a connection without a response."""
        self._app = app
        self._misfortune = misfortune
        self._drop = drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond correctly or with a fault."""
        if self._misfortune.is_misplaced and scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await self._refusal("404")(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault == "dropped":
            self._drop(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault == "slow":
            await asyncio.sleep(self._misfortune.faults.slow_seconds)
            await self._app(scope, receive, send)
        elif fault == "html":
            await HTMLResponse(_PAGE)(scope, receive, send)
        elif fault in _STATUSES:
            await self._refusal(fault)(scope, receive, send)
        else:
            await self._spoiled(fault, scope, receive, send)

    def _fault(self, scope: Scope) -> Fault | None:
        if not _reads_a_project(scope):
            return None
        is_refused = scope["path"].rpartition("/")[2] in self._misfortune.refused
        return "403" if is_refused else self._misfortune.next()

    def _refusal(self, fault: Fault) -> Response:
        status, message = _STATUSES[fault]
        headers = {}
        wait = self._misfortune.faults.retry_after
        if fault == "429_seconds":
            headers["Retry-After"] = str(wait)
        elif fault == "429_date":
            headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=wait), usegmt=True)
        elif fault == "redirect":
            headers["Location"] = "/_simulator/elsewhere"
        return JSONResponse({"message": message}, status, headers)

    async def _spoiled(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Corrupt the correct response. An error response is passed on unchanged."""
        parts: list[Message] = []

        async def keep(message: Message) -> None:
            parts.append(message)

        await self._app(scope, receive, keep)
        status = parts[0]["status"]
        body = b"".join(part.get("body", b"") for part in parts[1:])
        if status == 200:  # noqa: PLR2004  the one status of good answers
            body = self._spoil(fault, body)
        await Response(body, status, media_type="application/json")(scope, receive, send)

    def _spoil(self, fault: Fault, body: bytes) -> bytes:
        if fault == "broken_json":
            return body[: len(body) // 2]
        project = json.loads(body)
        if fault == "wrong_id":
            project["id"] = project["id"][::-1]
        elif fault == "missing_field":
            del project[_NEEDED_FIELDS[self._misfortune.pick(len(_NEEDED_FIELDS))]]
        elif fault == "odd_fields":
            odd = {"name": 7, "width": "512", "created_at": 1, "downloads": None}
            project |= odd | {"credits_charged": str(project["credits_charged"])}
        elif fault == "long_type":
            project["type"] = "T" * LONG_TYPE
        elif fault == "oversized":
            project["name"] = "x" * OVERSIZED
        return json.dumps(project).encode()


def _reads_a_project(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["method"] == "GET" and "-projects/" in scope["path"])
