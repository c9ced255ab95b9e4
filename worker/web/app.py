"""The web application: API, pages and metrics behind the same middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from worker import __version__
from worker.settings import Settings
from worker.store.engine import Database, StoreUnavailableError
from worker.tracking.learn_durations import LearnedDurations
from worker.web import metrics
from worker.web.api import (
    accounts,
    deliveries,
    destinations,
    events,
    health,
    metadata,
    next_check,
    openapi,
    projects,
    rejected,
)
from worker.web.gate.access_log import AccessLog
from worker.web.gate.authentication import Identities
from worker.web.gate.cards import card
from worker.web.gate.client_limits import ClientRateLimit
from worker.web.gate.middleware import Gate, unavailable
from worker.web.gate.proxies import Proxied
from worker.web.magic_hour_webhooks import MagicHourWebhooks
from worker.web.metrics import make_registry
from worker.web.pages import ROUTERS
from worker.web.probes import Probes
from worker.web.problems import ProblemError, problem_response
from worker.web.render import viewer_of
from worker.web.shutdown import EndWhenStopped
from worker.web.state import Web
from worker.web.streams.change_broadcaster import ChangeBroadcaster

# Seconds for which learned durations are used before they are looked up again.
_LEARNED_FOR = 10.0
_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(settings: Settings, database: Database, origins: dict[str, str] | None = None) -> ASGIApp:
    """Return the application on a database. ``origins`` says where each setting comes from."""
    identities = Identities(database)
    broadcaster = ChangeBroadcaster(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with broadcaster.running(), webhooks.counting():
            yield

    app = FastAPI(
        title="Renderwatch",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        exception_handlers={
            ProblemError: _tell,
            RequestValidationError: _tell_what_is_wrong,
            HTTPException: _tell_plainly,
            StoreUnavailableError: _tell_unavailable,
            Exception: _tell_nothing,
        },
    )
    registry, learned = make_registry(database, settings), LearnedDurations(database, _LEARNED_FOR)
    app.state.web = Web(settings, database, broadcaster, identities, origins or {}, registry, learned)
    api = (projects, next_check, metadata, accounts, deliveries, destinations, rejected, events, health, openapi)
    for module in api:
        app.include_router(module.router, prefix="/v1")
    app.include_router(metrics.router)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # as FastAPI's documentation does it
    limit = ClientRateLimit(settings.web_rate, settings.web_burst)
    webhooks = MagicHourWebhooks(Gate(app, identities, limit, settings.web_longest_body), settings, database)
    gate: ASGIApp = webhooks
    if settings.web_access_log:
        gate = AccessLog(gate)
    return EndWhenStopped(Proxied(Probes(gate, database), settings.web_trusted_proxies, settings.web_root_path))


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/v1")


async def _tell(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error.status, error.code, error.detail, error.headers)


async def _tell_what_is_wrong(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()]
    said = "; ".join(wrong)[:2000]
    if _is_api(request):
        return problem_response(422, "bad_request", said)
    return await run_in_threadpool(_error_page, request, 422, said)


async def _tell_plainly(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if _is_api(request):
        code = _CODES.get(error.status_code, "refused")
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["allow"] = ", ".join(openapi.methods_of(request.app, request.url.path)) or "GET"
        return problem_response(error.status_code, code, f"{error.detail}: {request.url.path}"[:500], headers)
    return await run_in_threadpool(_error_page, request, error.status_code, error.detail)


def _error_page(request: Request, status: int, text: str) -> Response:
    try:
        return viewer_of(request).page("error.html", status, heading=HTTPStatus(status).phrase, text=text)
    except (StoreUnavailableError, TypeError):  # the database is unavailable, or there is no login
        return card(request.scope, status, HTTPStatus(status).phrase, escape(text))


async def _tell_unavailable(request: Request, error: Exception) -> Response:
    return unavailable(request.scope, error)


async def _tell_nothing(request: Request, _: Exception) -> Response:
    if _is_api(request):
        return problem_response(
            500, "internal_error", "an internal error occurred in Renderwatch; see the log of renderwatch web"
        )
    text = (
        "Renderwatch failed while it built this page; an action was done completely or not at all. Load the page again."
        " The log of <code>renderwatch web</code> has the reason."
    )
    return card(request.scope, 500, "An internal error", text)
