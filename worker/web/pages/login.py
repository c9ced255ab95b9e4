"""Logging in with a token, and out."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from worker.store import access_tokens
from worker.store.projects import operator_actions
from worker.web.forms import GuardedForm, foreign_origin, inner_path, read_form
from worker.web.gate.authentication import cookie_name, cookie_of, cookie_path
from worker.web.render import TheViewer, bare_page
from worker.web.state import web_of

router = APIRouter(include_in_schema=False)
_WRONG: Final = (
    "That is not a valid token. Create one with renderwatch tokens create, or list them with renderwatch tokens list."
)
_NO_READ: Final = (
    "That token lacks the scope read. Create one that has it: renderwatch tokens create NAME --scope read."
)


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002  the parameter's name
    """Ask for a token."""
    if request.scope["caller"]:
        return RedirectResponse(inner_path(next), 303)
    return bare_page(request, "login.html", next=inner_path(next), wrong=None)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Open a session."""
    form = await read_form(request)
    wanted = inner_path(form.one("next"))
    if foreign := foreign_origin(request):
        return bare_page(request, "login.html", 403, next=wanted, wrong=foreign)
    made = await run_in_threadpool(_begin, request, form.one("token").strip(), wanted)
    if isinstance(made, HTMLResponse):
        return made
    answer = RedirectResponse(wanted, 303)
    secure = request.url.scheme == "https"
    lifetime = int(web_of(request).settings.web_session_seconds)
    name, path = cookie_name(request.scope), cookie_path(request.scope)
    answer.set_cookie(name, made, lifetime, path=path, secure=secure, httponly=True, samesite="lax")
    return answer


def _begin(request: Request, token: str, wanted: str) -> str | HTMLResponse:
    web = web_of(request)
    caller = web.identities.check_token(token)
    if caller is None:
        return bare_page(request, "login.html", 401, next=wanted, wrong=_WRONG)
    if not caller.may("read"):
        return bare_page(request, "login.html", 403, next=wanted, wrong=_NO_READ)
    with web.database.write() as connection:
        operator_actions.note(connection, "log in", [None], f"{caller.name} (dashboard)", None)
        return access_tokens.open_session(
            connection, caller.token_id, timedelta(seconds=web.settings.web_session_seconds)
        )


@router.post("/logout")
def log_out(request: Request, form: GuardedForm, viewer: TheViewer) -> Response:  # noqa: ARG001  it is checked
    """Close the session."""
    cookie = cookie_of(request.scope)
    if cookie:
        with viewer.web.database.write() as connection:
            access_tokens.close_session(connection, cookie)
        viewer.web.identities.forget(cookie)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request.scope), path=cookie_path(request.scope))
    return answer
