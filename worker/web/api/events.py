"""Events as they happen, as server-sent events."""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from worker.domain.events import EventType
from worker.domain.status import Kind
from worker.store import arrivals
from worker.web.api.access import Reader, TheWeb
from worker.web.api.params import Text
from worker.web.context import Web
from worker.web.hub import FullError, Overrun
from worker.web.problems import ProblemError

router = APIRouter(tags=["events"])
# Proxies close what is silent for a minute.
_SILENCE: Final = 15.0
# An event seen twice is passed on once, if the first time was not too long ago.
_REMEMBERED: Final = 50_000
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
    caller: Reader,  # noqa: ARG001  the scope
    *,
    type: Annotated[list[EventType] | None, Query()] = None,  # noqa: A002  the API's word
    kind: Annotated[list[Kind] | None, Query()] = None,
    account: Text = None,
    last_event_id: Annotated[str | None, Header(max_length=100, description="the last event you have")] = None,
) -> StreamingResponse:
    """Stream events, each with the payload that destinations get.

    Who reconnects with `Last-Event-ID`, as every EventSource does, gets what came since: at least once, and not always
    in order, so go by the event's `id` and `sequence`. Comments keep the connection alive.
    """
    if web.hub.is_full:
        raise ProblemError(503, "too_many_consumers", "too many receive events already; try again later")
    wanted: dict[str, set[str]] = {"type": {*(type or ())}, "kind": {*(kind or ())}}
    wanted["account"] = {account} if account else set()
    body = _messages(web, wanted, last_event_id)
    return StreamingResponse(body, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _messages(web: Web, wanted: dict[str, set[str]], last_event_id: str | None) -> AsyncIterator[str]:
    passed: OrderedDict[str, None] = OrderedDict()
    yield ": connected\n\n"
    try:
        with web.hub.subscribed() as subscriber:
            await subscriber.ready.wait()
            for payload in await run_in_threadpool(_missed, web, last_event_id):
                if _is_new(payload, passed) and _matches(payload, wanted):
                    yield _message(payload)
            yield ": live\n\n"
            while True:
                fresh = await subscriber.next(_SILENCE)
                if fresh is None:
                    yield ": nothing new\n\n"
                elif _is_new(fresh, passed) and _matches(fresh, wanted):
                    yield _message(fresh)
    except (Overrun, FullError):
        yield ": you are too far behind; connect again\n\n"


def _missed(web: Web, last_event_id: str | None) -> list[dict[str, Any]]:
    """Return what came since an event; events do not become visible in the order of their times."""
    if not last_event_id or "\x00" in last_event_id:
        return []
    with web.database.read() as connection:
        at = arrivals.time_of_event(connection, last_event_id)
        if at is None:
            return []
        since = arrivals.events_since(connection, at - arrivals.OVERLAP)
        return arrivals.read_payloads(connection, [event_id for event_id, _ in since if event_id != last_event_id])


def _is_new(payload: dict[str, Any], passed: OrderedDict[str, None]) -> bool:
    if payload["id"] in passed:
        return False
    passed[payload["id"]] = None
    if len(passed) > _REMEMBERED:
        passed.popitem(last=False)
    return True


def _matches(payload: dict[str, Any], wanted: dict[str, set[str]]) -> bool:
    return all(not values or payload[name] in values for name, values in wanted.items())


def _message(payload: dict[str, Any]) -> str:
    return f"id: {payload['id']}\nevent: {payload['type']}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n"
