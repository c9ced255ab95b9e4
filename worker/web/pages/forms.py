"""What pages send: small forms, from our own pages only, by viewers who may."""

from typing import Annotated, Final
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from worker.web.pages.render import Viewer, viewer_of

_MOST_FIELDS: Final = 2_000
_LONGEST_REASON: Final = 500


class Form(dict[str, list[str]]):
    """The fields of a form."""

    def one(self, name: str) -> str:
        """Return a field's first value, or nothing."""
        return self.get(name, [""])[0].replace("\x00", "")

    @property
    def reason(self) -> str | None:
        """Why, as the viewer says."""
        return self.one("reason").strip()[:_LONGEST_REASON] or None


async def read_form(request: Request) -> Form:
    """Return the fields of a form. Raises HTTPException."""
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "this form cannot be read") from None


def same_origin(request: Request) -> bool:
    """Whether the browser says that a request comes from our own pages; old browsers say nothing."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    host = request.headers.get("host")
    return site in ("same-origin", "none") and (origin is None or urlsplit(origin).netloc == host)


async def _guarded(request: Request) -> Form:
    form = await read_form(request)
    if not same_origin(request) or form.one("csrf") != viewer_of(request).csrf:
        raise HTTPException(403, "this form does not come from a page of yours; load the page again")
    return form


def _operator(request: Request) -> Viewer:
    viewer = viewer_of(request)
    if not viewer.may("operate"):
        raise HTTPException(403, f"the token {viewer.caller.name!r} lacks the scope operate")
    return viewer


GuardedForm = Annotated[Form, Depends(_guarded)]
TheOperator = Annotated[Viewer, Depends(_operator)]


def back(form: Form, done: str, count: int) -> RedirectResponse:
    """Return to the page from which an action was asked for, which then says that it was done."""
    target = inner_path(form.one("back"))
    path, _, query = target.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(("done=", "count="))]
    return RedirectResponse(f"{path}?{'&'.join([*kept, f'done={quote(done)}', f'count={count}'])}", 303)


def inner_path(target: str) -> str:
    """Return a path of ours; anything else leads to the overview, never to another site."""
    good = target.startswith("/") and not target.startswith(("//", "/\\", "/v1")) and target.isprintable()
    return target if good and "\\" not in target else "/"
