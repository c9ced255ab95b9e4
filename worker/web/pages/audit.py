"""The audit log page: what operators did, and which tracking requests were rejected."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from worker.store.intake.rejections import list_rejections
from worker.store.monitoring import audit_log
from worker.web.render import TheViewer

router: Final = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_LARGEST: Final = 2**63 - 1


@router.get("/audit")
def show_audit(viewer: TheViewer, before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None) -> Response:
    """Show operators' actions and rejected requests."""
    with viewer.web.database.read() as connection:
        rows = audit_log.list_actions(connection, before=before, limit=_PAGE + 1)
        rejections = list_rejections(connection, 20)
    return viewer.page(
        "audit.html",
        rows=rows[:_PAGE],
        next=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else None,
        rejections=rejections,
    )
