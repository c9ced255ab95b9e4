"""Listing, reading and replaying deliveries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from worker.domain.deliveries.states import DeliveryState
from worker.domain.projects.events import EventType
from worker.domain.projects.status import Kind
from worker.store.deliveries import queries, replays
from worker.store.deliveries.delivery_filter import EVERYTHING, DeliveryFilter, resolve
from worker.store.deliveries.destination_names import meant
from worker.tracking.replay_deliveries import replay_matching
from worker.web.api import operator_schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Destination, Moment, Reason, Text, Word
from worker.web.problems import ProblemError
from worker.web.replay_target import NOT_PERMITTED, permitted_target
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["deliveries"], route_class=StrictQueryRoute)


def _wanted(  # noqa: PLR0913  one argument for each filter
    *,
    event: Annotated[Word | None, Query(description="the id of an event")] = None,
    kind: Kind | None = None,
    project_id: Text = None,
    destination: Annotated[Destination | None, Query(description="only deliveries to it")] = None,
    type: EventType | None = None,  # noqa: A002  the API's word
    state: DeliveryState | None = None,
    since: Annotated[Moment | None, Query(description="only events recorded then or later")] = None,
    until: Annotated[Moment | None, Query(description="only events recorded before")] = None,
) -> DeliveryFilter:
    return DeliveryFilter(event, kind, project_id, destination, type, state, since, until)


Wanted = Annotated[DeliveryFilter, Depends(_wanted)]
NumberPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/deliveries", summary="List deliveries")
def list_deliveries(
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    wanted: Wanted,
    *,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> operator_schemas.DeliveryPage:
    """Return the deliveries that match every filter, newest first.

    Unless the filter is for dead ones, one project or one event, the latest 100,000 are searched.
    """
    with web.database.read() as connection:
        rows = queries.list_deliveries(connection, resolve(connection, wanted), before=before, limit=limit + 1)
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return operator_schemas.DeliveryPage.model_validate({"data": rows[:limit], "next_before": following})


@router.get("/deliveries/count", summary="Count the deliveries that match")
def count_deliveries(web: TheWeb, caller: Reader, wanted: Wanted) -> operator_schemas.MatchingDeliveries:  # noqa: ARG001  the scope
    """Count all deliveries that match every filter: the first step of replaying them."""
    with web.database.read() as connection:
        count, last = replays.count_deliveries(connection, resolve(connection, wanted))
    return operator_schemas.MatchingDeliveries(count=count, last=last)


@router.post("/deliveries/matching/replay", summary="Send all deliveries that match again")
def replay_all(
    web: TheWeb,
    caller: Operator,
    wanted: Wanted,
    last: Annotated[int, Query(ge=0, le=2**63 - 1, description="from GET /v1/deliveries/count, with the same filters")],
    *,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="next_after of the response before")] = 0,
    to: Annotated[Destination | None, Query(description="send their events there instead")] = None,
    reason: Reason = None,
) -> operator_schemas.ReplayedPart:
    """Send deliveries again, exactly as they were stored, with the same event ids; about 10,000 with each request.

    `to` is a destination that GET /v1/destinations lists, or that RENDERWATCH_NOTIFY_ALLOW allows.
    """
    if wanted == EVERYTHING:
        raise ProblemError(422, "no_filter", "say which deliveries, for example state=dead")
    with web.database.read() as connection:
        wanted = resolve(connection, wanted)
        target = permitted_target(connection, to, web.settings)
    if to and target is None:
        raise ProblemError(422, "destination_not_allowed", NOT_PERMITTED)
    done = replay_matching(
        web.database,
        wanted,
        last=last,
        after=after,
        destination=target,
        most=queries.MOST_REPLAYED,
        actor=actor(caller),
        reason=reason,
    )
    return operator_schemas.ReplayedPart(replayed=done.count, next_after=done.next_after)


@router.get("/deliveries/{number}", summary="Read a delivery with its payload")
def read_delivery(web: TheWeb, caller: Reader, number: NumberPath) -> operator_schemas.DeliveryDetails:  # noqa: ARG001  the scope
    """Return one delivery."""
    with web.database.read() as connection:
        row = queries.read_delivery(connection, number)
    if row is None:
        raise _unknown(number)
    return operator_schemas.DeliveryDetails.model_validate(row)


@router.post("/deliveries/dead/replay", summary="Send all dead deliveries again")
def replay_dead(
    web: TheWeb,
    caller: Operator,
    destination: Annotated[Destination | None, Query(description="only deliveries to it")] = None,
    reason: Reason = None,
) -> operator_schemas.Replayed:
    """Send dead deliveries again, at most 10,000 at once."""
    with web.database.write() as connection:
        name = meant(connection, destination)
        replayed = queries.replay(connection, None, actor(caller), reason, destination=name)
    return operator_schemas.Replayed(replayed=replayed)


@router.post("/deliveries/{number}/replay", summary="Send a delivery again")
def replay(
    web: TheWeb,
    caller: Operator,
    number: NumberPath,
    reason: Reason = None,
) -> operator_schemas.Replayed:
    """Send it again with the next sweep, as if it were new, with the same event id."""
    with web.database.write() as connection:
        replayed = queries.replay(connection, [number], actor(caller), reason)
    if not replayed:
        raise _unknown(number)
    return operator_schemas.Replayed(replayed=replayed)


def _unknown(number: int) -> ProblemError:
    return ProblemError(404, "no_delivery", f"there is no delivery {number}; GET /v1/deliveries lists them")
