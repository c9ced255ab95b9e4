"""The settings page: every setting with its origin, and the API tokens, all without secrets."""

import json
from typing import Final

from fastapi import APIRouter
from pydantic import SecretStr
from starlette.responses import Response

from worker.domain.deliveries.shown_destination import shown_destination
from worker.settings import SECRETS, Settings, env_name
from worker.store import access_tokens
from worker.web.render import TheViewer

router: Final = APIRouter(include_in_schema=False)
_HIDDEN: Final = ("broker_transport_options",)


@router.get("/settings")
def show_settings(viewer: TheViewer) -> Response:
    """Show every setting with its source, and the tokens, all without secrets."""
    web = viewer.web
    with web.database.read() as connection:
        known = access_tokens.list_tokens(connection)
    rows = [
        {"name": env_name(name), "value": _shown(web.settings, name), "origin": web.origins.get(name, "default")}
        for name in Settings.model_fields
    ]
    return viewer.page("settings.html", rows=rows, tokens=known)


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if isinstance(value, SecretStr) or name in _HIDDEN:
        return "set, hidden" if value else "not set"
    if isinstance(value, dict) and name in SECRETS:
        return ", ".join(f"{key}: hidden" for key in value)
    if value is None or value in ({}, [], ()):
        return "not set"
    if name == "routes":
        value = {rule: [shown_destination(each) for each in destinations] for rule, destinations in value.items()}
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)  # as written in the setting
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
