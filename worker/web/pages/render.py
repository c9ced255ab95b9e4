"""Making a page: the templates, and what every page shows around its own."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from worker.domain.tokens import Scope
from worker.store.engine import clock
from worker.store.overview import Health, read_health
from worker.store.tokens import Caller
from worker.web import words
from worker.web.context import Web, web_of
from worker.web.gate import caller_of
from worker.web.identity import cookie_of, csrf_of

_HERE: Final = Path(__file__).parent.parent
_HEALTH_SECONDS: Final = 2.0
_LATE_DISPATCH: Final = 30.0
THEMES: Final = ("light", "dark")
NAVIGATION: Final = (
    ("/", "Overview", "overview"),
    ("/projects", "Projects", "projects"),
    ("/credits", "Credits", "credits"),
    ("/deliveries", "Deliveries", "deliveries"),
    ("/failures", "Failures", "failures"),
    ("/accounts", "Accounts", "accounts"),
    ("/check-times", "Check times", "check-times"),
    ("/audit", "Audit log", "audit"),
    ("/settings", "Settings", "settings"),
)
# What the page after an action says; the number is how many it concerned.
_DONE: Final = {
    "recheck": "Due now: they are checked with the next dispatch",
    "untrack": "Not followed any more",
    "replay": "Sent again with the next sweep",
    "resume": "Not paused any more: it is asked for with the next dispatch",
}


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (words.number, words.decimal, words.signed, words.duration, words.utc):
        made.filters[function.__name__] = function
    made.globals["between"] = words.between
    made.filters["pretty"] = lambda value: json.dumps(words.redacted(value), indent=2, ensure_ascii=False)
    return made


_ENVIRONMENT: Final = _environment()


@dataclass(slots=True)
class _Remembered:
    """The health of a process's database, looked up every two seconds at most."""

    health: Health | None = None
    until: float = field(default=0.0)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page, and how."""

    request: Request
    web: Web
    caller: Caller
    csrf: str

    def may(self, scope: Scope) -> bool:
        """Whether the viewer's token has a scope."""
        return self.caller.may(scope)

    @property
    def actor(self) -> str:
        """How the audit log names the viewer."""
        return f"{self.caller.name} (dashboard)"

    def health(self) -> Health:
        """Return how things stand."""
        state = self.request.app.state
        remembered: _Remembered = getattr(state, "health", None) or _Remembered()
        state.health = remembered
        if remembered.health is None or remembered.until < time.monotonic():
            with self.web.database.read() as connection:
                remembered.health = read_health(connection)
            remembered.until = time.monotonic() + _HEALTH_SECONDS
        return remembered.health

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:  # noqa: ANN401  any value a template shows
        """Return a page."""
        health = self.health()
        with self.web.database.read() as connection:
            now = clock(connection)
        around = {
            "viewer": self,
            "health": health,
            "trouble": _trouble(health),
            "navigation": NAVIGATION,
            "theme": theme_of(self.request),
            "here": self.request.url.path,
            "now": now,
            "ago": lambda moment: words.relative(moment, now),
            "done": _done(self.request),
            "with_query": self.with_query,
        }
        return HTMLResponse(_ENVIRONMENT.get_template(template).render(around | context), status)

    def with_query(self, **changes: object) -> str:
        """Return this page's address with other parameters; None takes one away."""
        url = self.request.url.remove_query_params(["done", "count", *changes])
        kept = {name: str(value) for name, value in changes.items() if value is not None}
        url = url.include_query_params(**kept) if kept else url
        return url.path + ("?" + url.query if url.query else "")


def viewer_of(request: Request) -> Viewer:
    """Return who looks at a page, behind the gate."""
    cookie = cookie_of(request.scope)
    return Viewer(request, web_of(request), caller_of(request.scope), csrf_of(cookie or ""))


TheViewer = Annotated[Viewer, Depends(viewer_of)]


def bare_page(request: Request, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Return a page for somebody who is not logged in."""
    shown = {"theme": theme_of(request), **context}
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(shown), status)


def theme_of(request: Request) -> str:
    """Return the theme that the viewer chose, or nothing: then the browser decides."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def _trouble(health: Health) -> list[str]:
    """Say what is wrong, if anything is."""
    found = []
    late = (health.now - health.last_dispatch).total_seconds() if health.last_dispatch else None
    if late is None:
        found.append("nothing was ever dispatched: start a worker and beat")
    elif late > _LATE_DISPATCH:
        found.append(f"the last dispatch was {words.duration(late)} ago: is beat running?")
    if health.paused_accounts:
        found.append(f"{health.paused_accounts} account{'s are' if health.paused_accounts > 1 else ' is'} paused")
    if health.dead_deliveries:
        found.append(f"{words.number(health.dead_deliveries)} dead deliver{_ies(health.dead_deliveries)}")
    return found


def _ies(count: int) -> str:
    return "y" if count == 1 else "ies"


def _done(request: Request) -> str | None:
    said: Mapping[str, str] = _DONE
    what = said.get(request.query_params.get("done", ""))
    count = request.query_params.get("count", "")
    return f"{what} ({count})." if what and count.isdigit() and len(count) < 7 else f"{what}." if what else None  # noqa: PLR2004


def since(now: datetime, seconds: float) -> datetime:
    """Return a moment so many seconds earlier."""
    return datetime.fromtimestamp(now.timestamp() - seconds, now.tzinfo)
