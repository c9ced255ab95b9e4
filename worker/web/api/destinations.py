"""Listing destinations, and pausing and resuming one."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query

from worker.domain.deliveries.destination import routed_destinations
from worker.store.deliveries.destination_names import find_destination
from worker.store.deliveries.destination_report import read_destinations
from worker.store.deliveries.pauses import pause_destination, resume_destination
from worker.web.api import operator_schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Destination, Reason
from worker.web.problems import ProblemError
from worker.web.state import Web
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["destinations"], route_class=StrictQueryRoute)
Name = Annotated[Destination, Query(description="as GET /v1/destinations lists it")]


@router.get("/destinations", summary="List destinations")
def list_destinations(web: TheWeb, caller: Reader) -> operator_schemas.Destinations:  # noqa: ARG001  the scope
    """Return how each destination does: paused and failing ones first, at most 200."""
    with web.database.read() as connection:
        rows = read_destinations(connection, routed_destinations(web.settings.routes))
    return operator_schemas.Destinations.model_validate({"data": rows})


@router.post("/destinations/pause", summary="Pause a destination")
def pause(web: TheWeb, caller: Operator, destination: Name, reason: Reason = None) -> operator_schemas.Paused:
    """Send nothing there until it is resumed. Events wait, and none is given up meanwhile."""
    return _act(web, pause_destination, destination, actor(caller), reason, paused=True)


@router.post("/destinations/resume", summary="Resume a paused destination")
def resume(web: TheWeb, caller: Operator, destination: Name, reason: Reason = None) -> operator_schemas.Paused:
    """Send what waits, with the next sweep."""
    return _act(web, resume_destination, destination, actor(caller), reason, paused=False)


def _act(
    web: Web, act: Callable[..., bool], destination: str, who: str, reason: str | None, *, paused: bool
) -> operator_schemas.Paused:
    with web.database.write() as connection:
        name = find_destination(connection, destination, routed_destinations(web.settings.routes))
        if name is None:
            raise ProblemError(404, "no_destination", "there is no such destination; GET /v1/destinations lists them")
        changed = act(connection, name, who, reason)
    return operator_schemas.Paused(destination=name, paused=paused, changed=changed)
