"""Events as they happen, as server-sent events."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from worker.domain.projects.events import EventType
from worker.domain.projects.status import Kind
from worker.store.deliveries.event_stream import Place
from worker.store.engine import Database
from worker.web.api.access import Reader, TheWeb
from worker.web.api.params import Text
from worker.web.gate.client_limits import NoSlotError
from worker.web.problems import ProblemError
from worker.web.streams.event_stream import EventStream, place_before
from worker.web.strict_query import StrictQueryRoute

router = APIRouter(tags=["events"], route_class=StrictQueryRoute)
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A stream that does not end by itself",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 01998f4e-…\nevent: project.completed\ndata: {"schema_version": 1, …}\n\n',
            }
        },
    }
}


@router.get("/events", summary="Receive events as they happen", responses=_STREAM, response_class=StreamingResponse)
async def stream_events(
    web: TheWeb,
    caller: Reader,
    *,
    type: Annotated[list[EventType] | None, Query()] = None,  # noqa: A002  the API's word
    kind: Annotated[list[Kind] | None, Query()] = None,
    account: Text = None,
    last_event_id: Annotated[str | None, Header(max_length=100, description="the last event you have")] = None,
) -> StreamingResponse:
    """Stream events, each with the payload that destinations receive.

    Send `Last-Event-ID`, as every EventSource does when it reconnects, to receive all events since that one, however
    many: at least once, and not always in order, so use each event's `id` and `sequence`. For an id that is not stored
    (any more) the response is 404, because the events since then are not known. Comments keep the connection alive.
    """
    try:
        web.broadcaster.streams.check(caller.token_id)
    except NoSlotError as error:
        raise too_many(error) from None
    missed_from = None
    if last_event_id:
        missed_from = await run_in_threadpool(_place_of, web.database, last_event_id)
    wanted = {"type": type or (), "kind": kind or (), "account": [account] if account else ()}
    stream = EventStream(web.database, web.broadcaster, wanted, missed_from, last_event_id)
    body = stream.messages(caller.token_id)
    return StreamingResponse(body, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def _place_of(database: Database, event_id: str) -> Place:
    place = place_before(database, event_id) if event_id.isascii() and event_id.isprintable() else None
    if place is None:
        detail = (
            f"there is no event {event_id!r}; retention may have removed it, so what came after it is not known."
            " Connect without Last-Event-ID, and read the projects from GET /v1/projects"
        )
        raise ProblemError(404, "unknown_event", detail)
    return place


def too_many(error: NoSlotError) -> ProblemError:
    """Return the problem that no further stream or waiting request is possible."""
    if error.own:
        return ProblemError(429, "too_many_streams", "this token has too many streams and waiting requests; close some")
    return ProblemError(503, "too_many_streams", "this process has as many streams as it can serve; try again later")
