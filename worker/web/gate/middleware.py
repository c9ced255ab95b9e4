"""The middleware of all requests: security headers, authentication, rate and size limits."""

import math
from html import escape
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.domain.access_tokens import fingerprint
from worker.store.access_tokens import Caller
from worker.store.engine import StoreUnavailableError
from worker.store.errors import ReadOnlyError
from worker.web.gate.authentication import Identities, cookie_of
from worker.web.gate.cards import card
from worker.web.gate.client_limits import ClientRateLimit
from worker.web.gate.endable import EndableResponse
from worker.web.gate.open_requests import run_while
from worker.web.gate.request_bodies import BodyError, RequestBodies
from worker.web.problems import problem_response

LOGIN: Final = "/login"
# The only paths available without login.
_PUBLIC: Final = frozenset({LOGIN, "/assets/base.css", "/assets/login.js", "/assets/icon.svg", "/favicon.ico"})
# A token has 256 random bits and cannot be guessed. This only protects the database from repeated attempts.
_WRONG_TOKENS: Final = (0.2, 10)
_LONGEST_LOGIN: Final = 16 * 1024
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
_RETRIES: Final = (
    "This page tries again every five seconds; <code>renderwatch doctor --only database</code> says what is wrong."
)
_READ_ONLY: Final = (
    "it is a standby, or default_transaction_read_only is on. An operator must let DATABASE_URL name the primary, or"
    " switch that setting off"
)


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, identities: Identities, limit: ClientRateLimit, longest_body: int) -> None:
        """Let only authenticated requests through to ``app``."""
        self._app = app
        self._identities = identities
        self._limit = limit
        self._wrong_tokens = ClientRateLimit(*_WRONG_TOKENS)
        self._bodies = RequestBodies(longest_body)
        self._login_bodies = RequestBodies(_LONGEST_LOGIN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond, or let the application respond. No body is read before the caller is authenticated."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(scope, send)
        try:
            refusal = await self._refuse(scope)
        except StoreUnavailableError as error:
            refusal = unavailable(scope, error)
        if refusal:
            await refusal(scope, receive, guarded)
        elif scope["method"] in ("GET", "HEAD"):
            await self._while_valid(scope, receive, guarded)
        else:
            await self._with_body(scope, receive, guarded)

    async def _while_valid(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application respond, and end its response if the token or the session ends before it."""
        if scope["caller"] is None:
            await self._app(scope, receive, send)
            return
        response = EndableResponse(send)

        async def is_valid() -> bool:
            try:
                return await self._find_caller(scope) is not None
            except StoreUnavailableError:  # not known now; asked again soon
                return True

        if not await run_while(is_valid, self._app(scope, receive, response.send)):
            await response.end(scope, receive, _log_in_first(scope))

    async def _find_caller(self, scope: Scope) -> Caller | None:
        if _is_api(scope["path"]):
            return await self._identities.of_token(Headers(scope=scope).get("authorization", ""))
        return await self._identities.of_cookie(cookie_of(scope))

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope["caller"]
        bodies = self._bodies if caller else self._login_bodies
        try:
            async with bodies.read(scope, receive, caller and caller.token_id) as body:
                await self._app(scope, _replay(body, receive), send)
        except BodyError as error:
            headers = {"retry-after": "5"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None
            await _answer(scope, error.status, error.code, error.detail, headers)(scope, receive, send)

    async def _refuse(self, scope: Scope) -> Response | None:
        """Authenticate the caller; return a response if the request is refused."""
        path = scope["path"]
        is_api = _is_api(path)
        header = Headers(scope=scope).get("authorization", "")
        secret = header if is_api else cookie_of(scope)
        # Throttle by secret, not by address, because clients may share one.
        key = fingerprint(secret) if secret else ""
        if secret and path not in _PUBLIC and (seconds := self._wrong_tokens.wait(key)):
            return _too_many(scope, seconds)
        caller = await self._find_caller(scope)
        scope["caller"] = caller
        if caller is None:
            if secret:
                self._wrong_tokens.consume(key)
            return None if path in _PUBLIC else _log_in_first(scope)
        seconds = self._limit.consume(caller.token_id)
        return _too_many(scope, seconds) if seconds else None


def _is_api(path: str) -> bool:
    """Whether a program is the client, which gets errors as JSON."""
    return path in ("/v1", "/metrics") or path.startswith("/v1/")


def caller_of(scope: Scope) -> Caller:
    """Return the caller of a request that passed the gate."""
    caller = scope["caller"]
    if not isinstance(caller, Caller):
        raise TypeError("this path is not behind the gate")
    return caller


def unavailable(scope: Scope, error: Exception) -> Response:
    """Return the response that the database is unavailable, or read-only; other reasons are only for operators."""
    detail = "the database is unavailable; try again in a few seconds"
    heading, advice = "cannot be reached", _RETRIES
    if isinstance(error, ReadOnlyError):
        detail = f"the database is read-only: {_READ_ONLY}; renderwatch doctor --only database shows the remedy"
        heading, advice = "is read-only", f"{_READ_ONLY[0].upper()}{_READ_ONLY[1:]}. {_RETRIES}"
    headers = {"retry-after": "5"}
    if _is_api(scope["path"]):
        return problem_response(503, "database_unavailable", detail, headers)
    return card(scope, 503, f"The database {heading}", f"Nothing is lost. {advice}", headers, again_after=5)


def _answer(scope: Scope, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    if _is_api(scope["path"]):
        return problem_response(status, code, detail, headers)
    return card(scope, status, HTTPStatus(status).phrase, escape(detail), headers)


def _too_many(scope: Scope, seconds: float) -> Response:
    headers = {"retry-after": str(math.ceil(seconds))}
    return _answer(scope, 429, "rate_limited", f"too many requests; try again in {math.ceil(seconds)} s", headers)


def _log_in_first(scope: Scope) -> Response:
    path = scope["path"]
    if _is_api(path):
        detail = "log in: send a valid token as Authorization: Bearer …; renderwatch tokens create makes one"
        return problem_response(401, "unauthorized", detail, {"www-authenticate": 'Bearer realm="renderwatch"'})
    if scope["method"] not in ("GET", "HEAD") or path.startswith(("/assets/", "/live")):
        return PlainTextResponse("log in first", 401)
    query = scope["query_string"].decode("latin-1")
    wanted = path + ("?" + query if query else "")
    return RedirectResponse(LOGIN if path == "/" else f"{LOGIN}?next={quote(wanted)}", 303)


def _replay(body: bytes, receive: Receive) -> Receive:
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
