"""Pages that need no database and no login: one card with a heading and a text."""

from collections.abc import Mapping
from html import escape
from typing import Final

from starlette.responses import HTMLResponse
from starlette.types import Scope

from worker.web.gate.proxies import root_path_of

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>{refresh}
<link rel="stylesheet" href="{root}/assets/base.css"></head>
<body class="alone"><main><div class="card"><h1>{title}</h1>
<p>{text}</p>
<p><a href="{root}/">To the overview</a></p></div></main></body></html>
"""


def card(
    scope: Scope, status: int, title: str, html: str, headers: Mapping[str, str] | None = None, *, again_after: int = 0
) -> HTMLResponse:
    """Return a page with a title and a text, which is HTML; it loads itself again after some seconds, if not 0."""
    refresh = f'<meta http-equiv="refresh" content="{again_after}">' if again_after else ""
    page = _PAGE.format(title=escape(title), text=html, refresh=refresh, root=escape(root_path_of(scope)))
    return HTMLResponse(page, status, headers)
