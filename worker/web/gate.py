"""What every request passes: security headers, who asks, how often, how much. Behind it everybody is known."""

import asyncio
import math
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.store.engine import StoreUnavailableError
from worker.store.tokens import Caller
from worker.web.identity import Identities, cookie_of
from worker.web.limits import RateLimit
from worker.web.problems import problem_response

LOGIN: Final = "/login"
# All that somebody who is not logged in can see.
_PUBLIC: Final = frozenset({LOGIN, "/assets/base.css", "/assets/login.js", "/assets/icon.svg", "/favicon.ico"})
_BODY_SECONDS: Final = 30
_GUESSES: Final = (0.2, 10)
_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_YEAR: Final = 365 * 86400
_UNAVAILABLE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Not available now</title><meta http-equiv="refresh" content="5">
<link rel="stylesheet" href="/assets/base.css"></head>
<body class="alone"><main><div class="card"><h1>The database cannot be reached</h1>
<p>Nothing is lost. This page tries again every five seconds; <code>renderwatch doctor</code> tells what is wrong.</p>
</div></main></body></html>
"""


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, identities: Identities, limit: RateLimit, longest_body: int) -> None:
        """Let nobody through to ``app`` who is not known."""
        self._app = app
        self._identities = identities
        self._limit = limit
        self._guesses = RateLimit(*_GUESSES)
        self._longest_body = longest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(scope, send)
        try:
            body = await self._read_body(scope, receive)
            refusal = body if isinstance(body, Response) else await self._refuse(scope)
        except StoreUnavailableError:
            refusal = unavailable(scope)
        if refusal:
            await refusal(scope, receive, guarded)
        else:
            await self._app(scope, _replay(body, receive), guarded)

    async def _refuse(self, scope: Scope) -> Response | None:
        """Find out who asks, and say no where that must be said."""
        path = scope["path"]
        client = (scope.get("client") or ("unknown", 0))[0]
        is_api = path == "/v1" or path.startswith("/v1/")
        header = Headers(scope=scope).get("authorization", "")
        secret = header if is_api else cookie_of(scope)
        if secret and (seconds := self._guesses.wait(client)):
            return _too_many(scope, seconds)
        caller = await (self._identities.of_token(header) if is_api else self._identities.of_cookie(secret))
        scope["caller"] = caller
        if caller is None:
            if secret:
                self._guesses.take(client)
            if path == LOGIN and scope["method"] == "POST" and (seconds := self._guesses.take(client)):
                return _too_many(scope, seconds)
            return None if path in _PUBLIC else _log_in_first(scope)
        seconds = self._limit.take(caller.token_id)
        return _too_many(scope, seconds) if seconds else None

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | Response:
        if scope["method"] in ("GET", "HEAD"):
            return b""
        length = Headers(scope=scope).get("content-length", "0")
        parts: list[bytes] = []
        size = int(length) if length.isascii() and length.isdigit() else 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                more = size <= self._longest_body
                while more and size <= self._longest_body:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    parts.append(message.get("body", b""))
                    size = sum(map(len, parts))
                    more = message.get("more_body", False)
        except TimeoutError:
            return _answer(scope, 408, "too_slow", f"the body did not arrive within {_BODY_SECONDS} seconds")
        if size > self._longest_body:
            return _answer(scope, 413, "too_large", f"send at most {self._longest_body} bytes at once")
        return b"".join(parts)


def caller_of(scope: Scope) -> Caller:
    """Return who asks, behind the gate."""
    caller = scope["caller"]
    if not isinstance(caller, Caller):
        raise TypeError("this path is not behind the gate")
    return caller


def unavailable(scope: Scope) -> Response:
    """Say that the database does not play along; why is for the operators' eyes only."""
    detail = "the database cannot be used now; try again in some seconds"
    headers = {"retry-after": "5"}
    if scope["path"].startswith("/v1"):
        return problem_response(503, "database_unavailable", detail, headers)
    return HTMLResponse(_UNAVAILABLE, 503, headers)


def _answer(scope: Scope, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    if scope["path"].startswith("/v1"):
        return problem_response(status, code, detail, headers)
    return PlainTextResponse(detail, status, headers)


def _too_many(scope: Scope, seconds: float) -> Response:
    headers = {"retry-after": str(math.ceil(seconds))}
    return _answer(scope, 429, "rate_limited", f"too many requests; try again in {math.ceil(seconds)} s", headers)


def _log_in_first(scope: Scope) -> Response:
    path = scope["path"]
    if path == "/v1" or path.startswith("/v1/"):
        detail = "log in: send a valid token as Authorization: Bearer …; renderwatch tokens create makes one"
        return problem_response(401, "unauthorized", detail, {"www-authenticate": 'Bearer realm="renderwatch"'})
    if scope["method"] not in ("GET", "HEAD") or path.startswith(("/assets/", "/live")):
        return PlainTextResponse("log in first", 401)
    query = scope["query_string"].decode("latin-1")
    wanted = path + ("?" + query if query else "")
    return RedirectResponse(LOGIN if path == "/" else f"{LOGIN}?next={quote(wanted)}", 303)


def _replay(body: bytes | Response, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(scope: Scope, send: Send) -> Send:
    async def guarded(message: Any) -> None:  # noqa: ANN401  as ASGI types it
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
            if scope.get("scheme") == "https":
                headers["strict-transport-security"] = f"max-age={_YEAR}"
        await send(message)

    return guarded
