"""Accounts, check times, settings and the audit log."""

import time
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.domain.durations import PUBLISHED, Durations
from worker.settings import Settings, env_name
from worker.store import audit, durations, operations, overview, tokens
from worker.store.timing import read_accounts, read_delays
from worker.web import charts, curves
from worker.web.pages.forms import GuardedForm, TheOperator, back
from worker.web.pages.render import TheViewer, since

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_DAY: Final = 86400
_LARGEST: Final = 2**63 - 1
_HIDDEN: Final = ("broker_transport_options",)


@router.get("/accounts")
def show_accounts(viewer: TheViewer) -> Response:
    """Show what each account may ask, and whether it is paused."""
    settings = viewer.web.settings
    now = viewer.health().now
    with viewer.web.database.read() as connection:
        rows = read_accounts(connection, settings.target_detection_delay)
        requests = overview.requests_by_minute(connection, since(now, 3600))
    for row in rows:
        row["has_key"] = row["name"] in settings.accounts
        row["rate"] = settings.rate * row["rate_factor"]
    known = {row["name"] for row in rows}
    minutes = overview.spans(since(now, 3600), now, 60)[1:-1]
    rates = {minute: requests.get(minute, 0) / 60 for minute in minutes}
    return viewer.page(
        "accounts.html",
        rows=rows,
        unused=sorted(set(settings.accounts) - known),
        settings=settings,
        chart=charts.line(
            "Requests of all accounts", "a second, mean of each minute", "1 hour", minutes, 60, rates, css="s-violet"
        ),
    )


@router.post("/accounts/resume")
def resume(form: GuardedForm, viewer: TheOperator) -> Response:
    """Lift the pause of an account."""
    with viewer.web.database.write() as connection:
        known = operations.resume_account(connection, form.one("account"), viewer.actor, form.reason)
    if not known:
        raise HTTPException(404, "there is no such account")
    return back(form, "resume", 1)


@router.get("/check-times")
def show_check_times(viewer: TheViewer) -> Response:
    """Show what was learned about durations, and how late ends were seen."""
    settings = viewer.web.settings
    started = time.monotonic()
    with viewer.web.database.read() as connection:
        delays = read_delays(connection, since(viewer.health().now, _DAY), most=5_000)
        learned: Durations = durations.load(connection)
        counts = durations.learned_from(connection)
    return viewer.page(
        "check_times.html",
        delays=delays,
        curves=curves.curves(learned, counts, settings),
        published=len(PUBLISHED),
        settings=settings,
        took=time.monotonic() - started,
    )


@router.get("/settings")
def show_settings(viewer: TheViewer) -> Response:
    """Show every setting and where it comes from, without secrets; and the tokens, without theirs."""
    web = viewer.web
    with web.database.read() as connection:
        known = tokens.list_tokens(connection)
    rows = [
        {"name": env_name(name), "value": _shown(web.settings, name), "origin": web.origins.get(name, "default")}
        for name in Settings.model_fields
    ]
    return viewer.page("settings.html", rows=rows, tokens=known)


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if isinstance(value, SecretStr) or name in _HIDDEN:
        return "set, hidden" if value else "not set"
    if isinstance(value, dict) and any(isinstance(each, SecretStr) for each in value.values()):
        return ", ".join(f"{key}: hidden" for key in value)
    if value is None or value in ({}, [], ()):
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@router.get("/audit")
def show_audit(viewer: TheViewer, before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None) -> Response:
    """Show who did what, and what was refused."""
    with viewer.web.database.read() as connection:
        rows = audit.list_actions(connection, before=before, limit=_PAGE + 1)
        rejections = audit.list_rejections(connection, 20)
    return viewer.page(
        "audit.html",
        rows=rows[:_PAGE],
        next=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else None,
        rejections=rejections,
    )
