"""``POST /hooks/magic-hour/{account}``: webhooks of Magic Hour, authenticated by their signature instead of a token."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.domain.intake.hint import HintError, parse_hint
from worker.domain.log_events import event
from worker.magic_hour.webhook_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    is_signed,
    trouble_with_headers,
)
from worker.settings import Settings
from worker.store.engine import Database, StoreUnavailableError
from worker.store.monitoring.webhook_counts import REFUSED, count_webhooks
from worker.tracking.intake.hints import receive_hint
from worker.web.gate.client_limits import ClientRateLimit
from worker.web.gate.request_bodies import BodyError, RequestBodies
from worker.web.problems import problem_response

PREFIX: Final = "/hooks/magic-hour/"
# The payload is what the API answers about a project; a hundred signed links take less.
_LONGEST: Final = 256 * 1024
_BODY_SECONDS: Final = 10
# Concurrent statements, so that a flood of webhooks leaves threads and connections for other requests.
_STATEMENTS: Final = 4
# Counts are written at most this often, however many webhooks come.
_COUNTED_EVERY: Final = 2.0
_LOGGED_EVERY: Final = 60.0
_HEADERS: Final = {"cache-control": "no-store"}
_log: Final = logging.getLogger("renderwatch.web.webhooks")


class MagicHourWebhooks:
    """ASGI middleware that answers the webhooks of Magic Hour, and passes everything else on."""

    def __init__(
        self, app: ASGIApp, settings: Settings, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        """Accept webhooks of the accounts that have a secret. ``clock`` is in Unix seconds."""
        self._app = app
        self._settings = settings
        self._database = database
        self._clock = clock
        self._bodies = RequestBodies(_LONGEST, _BODY_SECONDS)
        self._limit = ClientRateLimit(settings.web_rate, settings.web_burst)
        self._statements = asyncio.Semaphore(_STATEMENTS)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged_at: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a webhook, or let the application respond."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        try:
            response = await self._respond(scope, receive)
        except BodyError as error:
            response = _problem(error.status, error.code, error.detail)
        except StoreUnavailableError:
            detail = "the database is unavailable; send it again in a few seconds"
            response = _problem(503, "database_unavailable", detail, retry_after="5")
        await response(scope, receive, send)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Write the counts to the database every two seconds while the context lasts, and at its end."""
        stopped = asyncio.Event()
        task = asyncio.create_task(self._keep_counting(stopped))
        try:
            yield
        finally:
            stopped.set()  # not cancel(), which would leave a thread with its connection behind
            await task

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        """Refuse what costs nothing to refuse, then read the body, then ask the database."""
        if scope["method"] != "POST":
            return _problem(405, "method_not_allowed", "send webhooks with POST", allow="POST")
        account = scope["path"].removeprefix(PREFIX)
        secrets = [each.get_secret_value() for each in self._settings.magic_hour_webhook_secrets.get(account, ())]
        if not secrets:
            detail = "no account of this name has a secret in RENDERWATCH_MAGIC_HOUR_WEBHOOK_SECRETS"
            return _problem(404, "not_found", detail)
        headers = Headers(scope=scope)
        timestamp, signature = (_only(headers, name) for name in (TIMESTAMP_HEADER, SIGNATURE_HEADER))
        if trouble := trouble_with_headers(timestamp, signature, self._clock()):
            return self._refuse(account, trouble)
        async with self._bodies.read(scope, receive, account) as body:
            if not is_signed(secrets, timestamp, body, signature):
                return self._refuse(account, f"{SIGNATURE_HEADER} is not by a secret of account {account}")
            if seconds := self._limit.consume(account):
                return _problem(429, "rate_limited", "too many webhooks", retry_after=str(int(seconds) + 1))
            return await self._accept(account, body)

    def _refuse(self, account: str, reason: str) -> Response:
        self._counts[account, REFUSED] += 1
        self._warn(account, "refused", reason)
        return _problem(401, "unauthorized", reason)

    async def _accept(self, account: str, body: bytes) -> Response:
        try:
            hint = parse_hint(body)
        except HintError as error:
            self._counts[account, "unreadable"] += 1
            self._warn(account, "unreadable", str(error))
            return _problem(422, "bad_request", str(error))
        if hint is None:  # an event about something that is not tracked, today or ever
            self._counts[account, "other"] += 1
            return JSONResponse({"outcome": "other"}, headers=_HEADERS)
        async with self._statements:
            outcome = await run_in_threadpool(receive_hint, self._database, self._settings, account, hint)
        self._counts[account, outcome] += 1
        return JSONResponse({"outcome": outcome}, headers=_HEADERS)

    def _warn(self, account: str, outcome: str, reason: str) -> None:
        """Log the first one in a minute, because a flood of forgeries must not flood the log."""
        now = time.monotonic()
        if now - self._logged_at.get(account, -_LOGGED_EVERY) < _LOGGED_EVERY:
            return
        self._logged_at[account] = now
        _log.warning(
            "a webhook for account %s was %s: %s (logged once a minute; /metrics counts all)",
            account,
            outcome,
            reason,
            extra=event("webhook_refused", account=account, outcome=outcome, reason=reason),
        )

    async def _keep_counting(self, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_COUNTED_EVERY):
                    await stopped.wait()
            await self._write_counts()

    async def _write_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await run_in_threadpool(self._store, counts)
        except StoreUnavailableError:
            self._counts.update(counts)

    def _store(self, counts: Counter[tuple[str, str]]) -> None:
        self._database.transact(lambda connection: count_webhooks(connection, counts))


def _only(headers: Headers, name: str) -> str:
    """Return a header that was sent once, else nothing."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _problem(status: int, code: str, detail: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if status == HTTPStatus.UNAUTHORIZED:
        named["www-authenticate"] = "Signature"
    return problem_response(status, code, detail, _HEADERS | named)
