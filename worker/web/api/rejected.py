"""Rejected tracking requests: reading, retrying and deleting them."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from worker.store.intake.rejections import delete_rejections, list_rejections
from worker.store.projects.operator_actions import note
from worker.tracking.intake.retry_rejected import RetryError, retry_rejected
from worker.web.api import operator_schemas, schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Reason
from worker.web.api.projects import many
from worker.web.problems import ProblemError
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["rejected requests"], route_class=StrictQueryRoute)
NumberPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/rejected", summary="List rejected tracking requests")
def list_rejected(
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    *,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> operator_schemas.RejectedPage:
    """Return requests that arrived by message and were rejected, newest first."""
    with web.database.read() as connection:
        rows = list_rejections(connection, limit + 1, before)
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return operator_schemas.RejectedPage.model_validate({"data": rows[:limit], "next_before": following})


@router.post("/rejected/{number}/retry", summary="Retry a rejected request")
def retry(
    web: TheWeb,
    caller: Operator,
    number: NumberPath,
    correction: Annotated[dict[str, Any] | None, Body(description="the corrected request")] = None,
) -> schemas.TrackedMany:
    """Track it unchanged, or the corrected request in the body. Once all of it is accepted, it leaves the list."""
    try:
        text = None if correction is None else json.dumps(correction)
        taken = retry_rejected(web.database, web.settings, number, text, actor(caller))
    except RetryError as error:
        raise ProblemError(
            422,
            "bad_request",
            f'{error}; send the whole request, corrected, as the body, like {{"kind": "video", "project_id": "…"}}',
        ) from None
    if taken is None:
        raise _unknown(number)
    return many(taken)


@router.delete("/rejected/{number}", summary="Delete a rejected request")
def delete(web: TheWeb, caller: Operator, number: NumberPath, reason: Reason = None) -> operator_schemas.Done:
    """Delete the request."""
    with web.database.write() as connection:
        if not delete_rejections(connection, [number]):
            raise _unknown(number)
        note(connection, "clear rejected requests", [None], actor(caller), reason)
    return operator_schemas.Done()


def _unknown(number: int) -> ProblemError:
    return ProblemError(
        404, "no_rejected_request", f"there is no rejected request {number}; GET /v1/rejected lists them"
    )
