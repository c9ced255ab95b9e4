"""Rendering pages: the templates, and what all pages share."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from worker import formatting
from worker.domain.access_tokens import Scope
from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.monitoring.facts import MOST_COUNTED
from worker.domain.monitoring.health import Health
from worker.store.access_tokens import Caller
from worker.store.engine import clock
from worker.store.monitoring.health import read_health
from worker.web.gate.authentication import cookie_of, csrf_of
from worker.web.gate.messages import read_message, remove_message
from worker.web.gate.middleware import caller_of
from worker.web.gate.proxies import root_path_of
from worker.web.state import Web, web_of

_HERE: Final = Path(__file__).parent
_HEALTH_SECONDS: Final = 2.0
THEMES: Final = ("light", "dark")
_LINK: Final = re.compile(r'(?<=\s)(href|src|action)="/(?!/)')
# Characters that change the direction of the text around them: a name with one could show another one's words.
_BIDI: Final = {
    code: f"[U+{code:04X}]" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_AFTER_SEPARATORS: Final = re.compile(r"(?<=[_./:?&=-])(?=\w)")
NAVIGATION: Final = (
    ("/problems", "Problems", "problems"),
    ("/", "Overview", "overview"),
    ("/projects", "Projects", "projects"),
    ("/credits", "Credits", "credits"),
    ("/metadata", "Metadata", "metadata"),
    ("/deliveries", "Deliveries", "deliveries"),
    ("/failures", "Failures", "failures"),
    ("/accounts", "Accounts", "accounts"),
    ("/check-times", "Check times", "check-times"),
    ("/audit", "Audit log", "audit"),
    ("/settings", "Settings", "settings"),
)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        formatting.compact,
        formatting.number,
        formatting.decimal,
        formatting.signed,
        formatting.duration,
        formatting.utc,
    ):
        made.filters[function.__name__] = function
    made.filters["destination"] = shown_destination
    made.filters["capped"] = lambda count: formatting.number(count) + ("+" if count >= MOST_COUNTED else "")
    made.filters["breakable"] = _breakable
    made.globals["between"] = formatting.between
    made.globals["expected"] = formatting.expected
    made.filters["pretty"] = lambda value: json.dumps(formatting.redacted(value), indent=2, ensure_ascii=False)
    return made


def _breakable(text: str | None) -> Markup:
    """Return a text that may break after its separators, and so never within a word."""
    return Markup("").join(Markup("{}<wbr>").format(part) for part in _AFTER_SEPARATORS.split(text or ""))


_ENVIRONMENT: Final = _environment()


@dataclass(slots=True)
class _Remembered:
    """The health of a process's database, read at most every two seconds."""

    health: Health | None = None
    until: float = field(default=0.0)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The viewer of a page: the caller, and the request's context."""

    request: Request
    web: Web
    caller: Caller
    csrf: str

    def may(self, scope: Scope) -> bool:
        """Whether the viewer's token has a scope."""
        return self.caller.may(scope)

    @property
    def actor(self) -> str:
        """The viewer's name in the audit log."""
        return f"{self.caller.name} (dashboard)"

    def health(self) -> Health:
        """Return the health of the system."""
        state = self.request.app.state
        remembered: _Remembered = getattr(state, "health", None) or _Remembered()
        state.health = remembered
        if remembered.health is None or remembered.until < time.monotonic():
            with self.web.database.read() as connection:
                remembered.health = read_health(
                    connection,
                    keys=self.web.settings.accounts,
                    target_delay=self.web.settings.target_detection_delay,
                )
            remembered.until = time.monotonic() + _HEALTH_SECONDS
        return remembered.health

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:  # noqa: ANN401  any value a template shows
        """Return a page."""
        health = self.health()
        with self.web.database.read() as connection:
            now = clock(connection)
        message = read_message(self.request, self.csrf)
        around = {
            "viewer": self,
            "health": health,
            "facts": health.facts,
            "navigation": NAVIGATION,
            "theme": theme_of(self.request),
            "here": self.request.url.path,
            "now": now,
            "ago": lambda moment: formatting.relative(moment, now),
            "done": message,
            "with_query": self.with_query,
        }
        answer = _render(self.request, template, status, around | context)
        if message:
            remove_message(answer, self.request.scope)
        return answer

    def with_query(self, **changes: object) -> str:
        """Return this page's URL with changed parameters; None removes one."""
        url = self.request.url.remove_query_params(list(changes))
        kept = {name: str(value) for name, value in changes.items() if value is not None}
        url = url.include_query_params(**kept) if kept else url
        return url.path + ("?" + url.query if url.query else "")


def viewer_of(request: Request) -> Viewer:
    """Return the viewer of a request that passed the gate."""
    cookie = cookie_of(request.scope)
    return Viewer(request, web_of(request), caller_of(request.scope), csrf_of(cookie or ""))


TheViewer = Annotated[Viewer, Depends(viewer_of)]


def bare_page(request: Request, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Return a page for a viewer who is not logged in."""
    return _render(request, template, status, {"theme": theme_of(request), **context})


def _render(request: Request, template: str, status: int, context: Mapping[str, Any]) -> HTMLResponse:
    root_path = root_path_of(request.scope)
    page = _ENVIRONMENT.get_template(template).render(context, root_path=root_path).translate(_BIDI)
    # Here instead of at every link. Only template text can match, because quotes in values are escaped.
    return HTMLResponse(_LINK.sub(rf'\1="{root_path}/', page) if root_path else page, status)


def theme_of(request: Request) -> str:
    """Return the theme that the viewer chose, or an empty string: then the browser decides."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def since(now: datetime, seconds: float) -> datetime:
    """Return the moment ``seconds`` earlier."""
    return datetime.fromtimestamp(now.timestamp() - seconds, now.tzinfo)
