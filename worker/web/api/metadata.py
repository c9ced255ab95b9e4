"""Spend, failures and open work by the value of a metadata key."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from worker.store.engine import clock
from worker.store.ledger.metadata_report import report_values
from worker.web.api import operator_schemas
from worker.web.api.access import Reader, TheWeb
from worker.web.api.params import Moment, Word
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["projects"], route_class=StrictQueryRoute)
_PERIOD: Final = timedelta(days=30)


@router.get("/metadata", summary="Report by a metadata key")
def report_metadata(
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    *,
    key: Annotated[Word, Query(examples=["customer"], description="a key of the metadata that callers send")],
    since: Annotated[Moment | None, Query(description="30 days ago unless given")] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 100,
) -> operator_schemas.MetadataValues:
    """Return the values of a metadata key: credits spent and refunded and projects failed since a time, and open now.

    Values with the highest spend come first. List the projects of one with `GET /v1/projects?metadata=key:value`.
    """
    with web.database.read() as connection:
        report = report_values(connection, key, since or clock(connection) - _PERIOD, limit)
    return operator_schemas.MetadataValues.model_validate(
        {"data": [row._asdict() for row in report.rows], "has_more": report.has_more, "complete": report.complete}
    )
