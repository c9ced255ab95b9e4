"""Deliveries, and sending them again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from worker.store import delivery_lists
from worker.web.api import schemas
from worker.web.api.access import Operator, Reader, TheWeb, actor
from worker.web.api.params import Reason, Text, Word
from worker.web.problems import ProblemError

router = APIRouter(tags=["deliveries"])
NumberPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/deliveries", summary="List deliveries")
def list_deliveries(
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    *,
    state: Literal["pending", "sent", "dead"] | None = None,
    destination: Text = None,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> schemas.DeliveryPage:
    """Return deliveries, the latest first. Other than dead ones are looked for among the latest 100,000."""
    with web.database.read() as connection:
        rows = delivery_lists.list_deliveries(
            connection, state=state, destination=destination, before=before, limit=limit + 1
        )
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return schemas.DeliveryPage.model_validate({"data": rows[:limit], "next_before": following})


@router.get("/deliveries/{number}", summary="Read a delivery and what it carries")
def read_delivery(web: TheWeb, caller: Reader, number: NumberPath) -> schemas.DeliveryDetails:  # noqa: ARG001  the scope
    """Return one delivery."""
    with web.database.read() as connection:
        row = delivery_lists.read_delivery(connection, number)
    if row is None:
        raise _unknown(number)
    return schemas.DeliveryDetails.model_validate(row)


@router.post("/deliveries/dead/replay", summary="Send all dead deliveries again")
def replay_dead(
    web: TheWeb,
    caller: Operator,
    destination: Annotated[Word | None, Query(description="only those for it")] = None,
    reason: Reason = None,
) -> schemas.Replayed:
    """Send dead deliveries again, at most 10,000 at once."""
    with web.database.write() as connection:
        replayed = delivery_lists.replay(connection, None, actor(caller), reason, destination=destination)
    return schemas.Replayed(replayed=replayed)


@router.post("/deliveries/{number}/replay", summary="Send a delivery again")
def replay(
    web: TheWeb,
    caller: Operator,
    number: NumberPath,
    reason: Reason = None,
) -> schemas.Replayed:
    """Send it again as if it were new, with the same event id: with the next sweep, and for as long as a new one."""
    with web.database.write() as connection:
        replayed = delivery_lists.replay(connection, [number], actor(caller), reason)
    if not replayed:
        raise _unknown(number)
    return schemas.Replayed(replayed=replayed)


def _unknown(number: int) -> ProblemError:
    return ProblemError(404, "no_delivery", f"there is no delivery {number}; GET /v1/deliveries lists them")
