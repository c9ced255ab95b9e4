"""The web application: everything behind one gate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from worker.settings import Settings
from worker.store.engine import Database, StoreUnavailableError
from worker.web.api import accounts, deliveries, document, events, projects
from worker.web.context import Web
from worker.web.gate import Gate, unavailable
from worker.web.hub import Hub
from worker.web.identity import Identities
from worker.web.limits import RateLimit
from worker.web.pages import deliveries as pages_of_deliveries
from worker.web.pages import live, login, money, overview, project, system
from worker.web.pages import projects as pages_of_projects
from worker.web.pages.render import viewer_of
from worker.web.problems import ProblemError, problem_response

_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(settings: Settings, database: Database, origins: dict[str, str] | None = None) -> ASGIApp:
    """Return the application on a database. ``origins`` tells where each setting comes from."""
    identities = Identities(database)
    hub = Hub(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with hub.running():
            yield

    app = FastAPI(
        title="Renderwatch",
        version=version("renderwatch"),
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
    app.state.web = Web(settings, database, hub, identities, origins or {})
    for module in (projects, accounts, deliveries, events, document):
        app.include_router(module.router, prefix="/v1", dependencies=[Depends(document.refuse_unknown_parameters)])
    for page in (login, overview, pages_of_projects, project, money, pages_of_deliveries, system, live):
        app.include_router(page.router)
    app.openapi = lambda: document.document(app)  # type: ignore[method-assign]  # as FastAPI's documentation does it
    limit = RateLimit(settings.web_rate, settings.web_burst)
    return Gate(app, identities, limit, settings.web_longest_body)


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
            headers["allow"] = ", ".join(document.methods_of(request.app, request.url.path)) or "GET"
        return problem_response(error.status_code, code, f"{error.detail}: {request.url.path}"[:500], headers)
    return await run_in_threadpool(_error_page, request, error.status_code, error.detail)


def _error_page(request: Request, status: int, text: str) -> Response:
    try:
        return viewer_of(request).page("error.html", status, heading=HTTPStatus(status).phrase, text=text)
    except (StoreUnavailableError, TypeError):  # the database is gone, or nobody is logged in
        return PlainTextResponse(text, status)


async def _tell_unavailable(request: Request, _: Exception) -> Response:
    return unavailable(request.scope)


async def _tell_nothing(request: Request, _: Exception) -> Response:
    if _is_api(request):
        return problem_response(500, "internal_error", "something is wrong with Renderwatch; its log tells more")
    return PlainTextResponse("something is wrong with Renderwatch; its log tells more", 500)
