"""The problems page: everything that is wrong, since when, what it costs, and what mends it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from worker.domain.monitoring.facts import recent
from worker.store.intake.rejections import list_rejections
from worker.web.remedies import offer
from worker.web.render import TheViewer

router: Final = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_LARGEST: Final = 2**63 - 1


@router.get("/problems")
def show_problems(viewer: TheViewer) -> Response:
    """Show every finding, with its rows and what mends it; and what was looked at if there is none."""
    health = viewer.health()
    return viewer.page("problems.html", offers=[offer(finding, health.facts) for finding in health.findings])


@router.get("/problems/rejected")
def show_rejected(viewer: TheViewer, before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None) -> Response:
    """Show the requests that were rejected within a day."""
    with viewer.web.database.read() as connection:
        rows = list_rejections(connection, _PAGE + 1, before, recent(viewer.health().now))
    return viewer.page("rejected.html", rows=rows[:_PAGE], next=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else None)
