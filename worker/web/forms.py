"""Forms of our pages: small, from our own pages only, and only from viewers with the right scope."""

from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from worker.web.gate.messages import Done, set_message
from worker.web.render import Viewer, viewer_of

_MOST_FIELDS: Final = 2_000
_LONGEST_REASON: Final = 500


class Form(dict[str, list[str]]):
    """The fields of a form."""

    def one(self, name: str) -> str:
        """Return a field's first value, or nothing."""
        return self.get(name, [""])[0].replace("\x00", "")

    @property
    def reason(self) -> str | None:
        """The viewer's reason."""
        return self.one("reason").strip()[:_LONGEST_REASON] or None


async def read_form(request: Request) -> Form:
    """Return the fields of a form. Raises HTTPException."""
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "this form cannot be read") from None


def foreign_origin(request: Request) -> str | None:
    """Return why a form is not from our own pages, or None if it is (or an old browser does not say)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:  # set by the browser; pages cannot change it
        return None if site in ("same-origin", "none") else "This form was sent by a page of another site."
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if origin is None or _is_host_of(origin, host):
        return None
    return (
        f"The browser sent this form from {origin[:200]}, and it arrived here for the host {host[:200]}. If a reverse "
        "proxy is in between, it must pass on the header Host (nginx: proxy_set_header Host $http_host), or send "
        "X-Forwarded-Host and be listed in RENDERWATCH_WEB_TRUSTED_PROXIES: see docs/operations/reverse-proxies.md."
    )


def _is_host_of(origin: str, host: str) -> bool:
    parts = urlsplit(origin.lower())
    port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(port) == host.lower().removesuffix(port)


async def _guarded(request: Request) -> Form:
    form = await read_form(request)
    if foreign := foreign_origin(request):
        raise HTTPException(403, foreign)
    if form.one("csrf") != viewer_of(request).csrf:
        raise HTTPException(403, "this form does not come from a page of yours; load the page again")
    return form


def _operator(request: Request) -> Viewer:
    viewer = viewer_of(request)
    if not viewer.may("operate"):
        raise HTTPException(403, f"the token {viewer.caller.name!r} lacks the scope operate")
    return viewer


GuardedForm = Annotated[Form, Depends(_guarded)]
TheOperator = Annotated[Viewer, Depends(_operator)]


def back(form: Form, viewer: Viewer, done: Done, count: int) -> RedirectResponse:
    """Redirect to the page of the action, which then reports that it was done."""
    answer = RedirectResponse(inner_path(form.one("back")), 303)
    set_message(answer, viewer.request.scope, viewer.csrf, done, count)
    return answer


def inner_path(target: str) -> str:
    """Return a path of ours; anything else becomes the overview, never another site."""
    good = target.startswith("/") and not target.startswith(("//", "/\\", "/v1")) and target.isprintable()
    return target if good and "\\" not in target else "/"
