"""Logging in with a token, and out."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from worker.store import operations, tokens
from worker.web.context import web_of
from worker.web.identity import cookie_name, cookie_of
from worker.web.pages.forms import GuardedForm, inner_path, read_form, same_origin
from worker.web.pages.render import TheViewer, bare_page

router = APIRouter(include_in_schema=False)
_WRONG: Final = "That is no valid token. renderwatch tokens create makes one; tokens list shows which there are."
_NO_READ: Final = "That token may not read. Make one that may: renderwatch tokens create NAME --scope read."


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002  the parameter's name
    """Ask for a token."""
    if request.scope["caller"]:
        return RedirectResponse(inner_path(next), 303)
    return bare_page(request, "login.html", next=inner_path(next), wrong=None)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Begin a session."""
    form = await read_form(request)
    wanted = inner_path(form.one("next"))
    if not same_origin(request):
        return bare_page(request, "login.html", 403, next=wanted, wrong="Log in from this page.")
    made = await run_in_threadpool(_begin, request, form.one("token").strip())
    if isinstance(made, HTMLResponse):
        return made
    answer = RedirectResponse(wanted, 303)
    secure = request.url.scheme == "https"
    lifetime = int(web_of(request).settings.web_session_seconds)
    answer.set_cookie(
        cookie_name(request.scope), made, lifetime, path="/", secure=secure, httponly=True, samesite="lax"
    )
    return answer


def _begin(request: Request, token: str) -> str | HTMLResponse:
    web = web_of(request)
    form = inner_path(request.query_params.get("next", "/"))
    caller = web.identities.check_token(token)
    if caller is None:
        return bare_page(request, "login.html", 401, next=form, wrong=_WRONG)
    if not caller.may("read"):
        return bare_page(request, "login.html", 403, next=form, wrong=_NO_READ)
    with web.database.write() as connection:
        operations.note(connection, "log in", [None], f"{caller.name} (dashboard)", None)
        return tokens.open_session(connection, caller.token_id, timedelta(seconds=web.settings.web_session_seconds))


@router.post("/logout")
def log_out(request: Request, form: GuardedForm, viewer: TheViewer) -> Response:  # noqa: ARG001  it is checked
    """End the session."""
    cookie = cookie_of(request.scope)
    if cookie:
        with viewer.web.database.write() as connection:
            tokens.close_session(connection, cookie)
        viewer.web.identities.forget(cookie)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request.scope), path="/")
    return answer
