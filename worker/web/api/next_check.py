"""When a project is checked next, and what that check waits for."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from worker.domain.monitoring.explain_next_check import Code
from worker.store.monitoring.schedule_report import read_timing
from worker.store.projects import queries
from worker.web.api.access import Reader, TheWeb
from worker.web.api.params import IdPath, KindPath
from worker.web.api.projects import not_tracked
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["projects"], route_class=StrictQueryRoute)


class NextCheck(BaseModel):
    """A project's next check, and what it waits for."""

    next_check_at: Annotated[datetime | None, Field(description="null: it is closed")]
    waits_for: str = Field(examples=["its account, which is paused (unauthorized)"])
    reasons: list[Code] = Field(description="for programs; those that block it come last")
    remedy: str = Field(description="what would change that", examples=["renderwatch recheck cmb1xk2v80000l70"])


@router.get("/projects/{kind}/{project_id}/next-check", summary="Read when it is checked next, and what that waits for")
def read_next_check(web: TheWeb, caller: Reader, kind: KindPath, project_id: IdPath) -> NextCheck:  # noqa: ARG001
    """Return the same reason as `renderwatch explain` and the project's page."""
    with web.database.read() as connection:
        if queries.read_project(connection, kind, project_id) is None:
            raise not_tracked(kind, project_id)
        settings = web.settings
        found = read_timing(connection, kind, project_id, settings.limits, settings.accounts).next_check
        codes = [reason.code for reason in found.reasons]
        return NextCheck(next_check_at=found.at, waits_for=found.waits_for, reasons=codes, remedy=found.remedy)
