"""The accounts page: how many requests each account may send, and whether it is paused."""

from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.domain.intake.identifiers import key_variable
from worker.domain.scheduling.rate_limit import is_paused
from worker.store.monitoring import overview
from worker.store.monitoring.schedule_report import read_accounts
from worker.store.projects import operator_actions
from worker.web.drawing import charts
from worker.web.forms import GuardedForm, TheOperator, back
from worker.web.render import TheViewer, since

router: Final = APIRouter(include_in_schema=False)
_SELECTIONS: Final = ("paused", "waiting")


@router.get("/accounts")
def show_accounts(viewer: TheViewer, only: str = "") -> Response:
    """Show each account's rate limit, and whether it is paused; or only those that are paused or lack a key."""
    settings = viewer.web.settings
    now = viewer.health().now
    with viewer.web.database.read() as connection:
        rows = read_accounts(connection, settings.target_detection_delay, settings.accounts)
        requests = overview.requests_by_minute(connection, since(now, 3600))
    for row in rows:
        row["variable"] = key_variable(row["name"])
        row["rate"] = settings.rate * row["rate_factor"]
        row["is_paused"] = is_paused(row["paused_until"], row["pause_reason"], now)
    known = {row["name"] for row in rows}
    without_key = [row for row in rows if row["has_key"] is False]
    if only in _SELECTIONS:
        rows = [row for row in rows if row["is_paused"] or (only == "waiting" and row in without_key)]
    else:
        rows = [row for row in rows if row not in without_key]
    minutes = overview.spans(since(now, 3600), now, 60)[1:-1]
    rates = {minute: requests.get(minute, 0) / 60 for minute in minutes}
    return viewer.page(
        "accounts.html",
        only=only if only in _SELECTIONS else "",
        rows=rows,
        without_key=[] if only in _SELECTIONS else without_key,
        unused=sorted(set(settings.accounts) - known),
        settings=settings,
        chart=charts.line(
            "Requests of all accounts", "a second, mean of each minute", "1 hour", minutes, 60, rates, css="s-violet"
        ),
    )


@router.post("/accounts/resume")
def resume(form: GuardedForm, viewer: TheOperator) -> Response:
    """Resume a paused account."""
    with viewer.web.database.write() as connection:
        known = operator_actions.resume_account(connection, form.one("account"), viewer.actor, form.reason)
    if not known:
        raise HTTPException(404, "there is no such account")
    return back(form, viewer, "resume", 1)
