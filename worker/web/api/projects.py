"""Tracking, listing and reading projects."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from worker.domain.intake.request import Sender
from worker.domain.intake.trace_headers import NAMES, read_trace_headers
from worker.domain.projects.status import Kind, State, is_terminal
from worker.store.access_tokens import Caller
from worker.store.engine import clock
from worker.store.projects import operator_actions, queries
from worker.store.projects.search import Search, Sort, find_projects
from worker.tracking.intake.track import MOST_ITEMS, IntakeResult, missing_key, track
from worker.web.api import operator_schemas, schemas
from worker.web.api.access import JsonBody, Operator, Reader, TheWeb, Tracker, actor
from worker.web.api.bodies import ITEM, MANY, body
from worker.web.api.events import too_many
from worker.web.api.params import IdPath, KindPath, Moment, Reason, Text, Word, Words, metadata_terms
from worker.web.cursor import CursorError, read_cursor, write_cursor
from worker.web.gate.client_limits import NoSlotError
from worker.web.problems import ProblemError
from worker.web.state import Web
from worker.web.strict_query import StrictQueryRoute

LONGEST_WAIT: Final = 60.0
router = APIRouter(tags=["projects"], route_class=StrictQueryRoute)


@router.post(
    "/projects",
    summary="Track a project",
    status_code=201,
    responses={200: {"model": schemas.Tracked, "description": "It was already tracked"}},
    openapi_extra=body(ITEM),
)
def track_one(web: TheWeb, caller: Tracker, item: JsonBody, request: Request, response: Response) -> schemas.Tracked:
    """Track the project whose id a create call returned. Responds after the commit; sending an id again is safe."""
    taken = track(web.database, web.settings, [item], _sender(caller, request))
    if taken.rejected:
        (refused,) = taken.rejected
        raise ProblemError(409 if refused.code == "tracked_elsewhere" else 422, refused.code, refused.reason)
    response.status_code = 201 if taken.new else 200
    response.headers["location"] = f"/v1/projects/{item['kind']}/{item['project_id']}"
    project = _read(web, item["kind"], item["project_id"])
    return schemas.Tracked.model_validate(
        {
            "tracked": "new" if taken.new else "reopened" if taken.reopened else "known",
            "added": [name for names in taken.added.values() for name in names],
            "ignored": [name for names in taken.ignored.values() for name in names],
            "note": "; ".join(map(missing_key, taken.without_key)) or None,
            "project": project,
        }
    )


@router.post("/projects/bulk", summary="Track many projects", openapi_extra=body(MANY))
def track_many(web: TheWeb, caller: Tracker, item: JsonBody, request: Request) -> schemas.TrackedMany:
    """Track up to 10,000 projects at once. Valid ones are stored; each rejected one is returned with its reason."""
    items = item.get("projects") if isinstance(item, dict) and len(item) == 1 else None
    if not isinstance(items, list):
        raise ProblemError(
            422, "bad_request", 'send an object like {"projects": [{"kind": "video", "project_id": "…"}]}'
        )
    if len(items) > MOST_ITEMS:
        raise ProblemError(422, "bad_request", f"{len(items)} projects given; send at most {MOST_ITEMS} at once")
    return many(track(web.database, web.settings, items, _sender(caller, request)))


def _sender(caller: Caller, request: Request) -> Sender:
    # A header that comes several times is one list.
    headers = {name: ",".join(request.headers.getlist(name)) for name in NAMES}
    return Sender(caller.name, read_trace_headers(headers))


def many(taken: IntakeResult) -> schemas.TrackedMany:
    """Return the result of a list of requests."""
    rejected = [schemas.Rejection(position=each.position, reason=each.reason) for each in taken.rejected]
    return schemas.TrackedMany(
        new=taken.new,
        known=taken.known,
        reopened=taken.reopened,
        completed=len(taken.added),
        rejected=rejected,
        notes=[missing_key(account) for account in taken.without_key],
    )


@router.get("/projects", summary="List projects")
def list_projects(  # noqa: PLR0913  one argument for each filter
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    *,
    text: Annotated[Word | None, Query(description="an id, or a part of a name or of metadata")] = None,
    kind: Annotated[list[Kind] | None, Query()] = None,
    type: Words = None,  # noqa: A002  the API's word
    status: Words = None,
    state: Annotated[list[State] | None, Query()] = None,
    account: Text = None,
    error_code: Text = None,
    metadata: Annotated[
        list[Word] | None, Query(max_length=50, description="key:value, or key:beginning*; all must match")
    ] = None,
    tracked_after: Moment | None = None,
    tracked_before: Moment | None = None,
    finished_after: Moment | None = None,
    sort: Sort = "newest",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Text = None,
) -> schemas.ProjectPage:
    """Return a page of the projects that match every filter.

    A page may be short or empty and still have a `next_cursor`: without a suitable index, 100,000 projects are searched
    at a time, and `searched_back_to` says how far back.
    """
    search = Search(
        text=text,
        kinds=kind or (),
        types=type or (),
        statuses=status or (),
        states=state or (),
        accounts=(account,) if account is not None else (),
        error_code=error_code,
        metadata=metadata_terms(metadata or []),
        tracked_after=tracked_after,
        tracked_before=tracked_before,
        finished_after=finished_after,
        sort=sort,
    )
    try:
        after = read_cursor(sort, cursor) if cursor is not None else None
    except CursorError as error:
        raise ProblemError(400, "bad_cursor", str(error)) from None
    durations = web.learned.durations()
    with web.database.read() as connection:
        page, now = find_projects(connection, search, limit, after), clock(connection)
    return schemas.ProjectPage(
        data=[schemas.Project.of(row, durations, now) for row in page.rows],
        next_cursor=write_cursor(sort, page.next) if page.next else None,
        searched_back_to=page.searched_back_to,
    )


@router.get("/projects/{kind}/{project_id}", summary="Read a project, or wait for its next status")
async def read_project(
    web: TheWeb,
    caller: Reader,
    kind: KindPath,
    project_id: IdPath,
    *,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="seconds")] = 0.0,
    seen: Annotated[Word | None, Query(description="the status that you know (default: the current one)")] = None,
) -> schemas.Project:
    """Return a project. With `wait`, return as soon as its status differs from `seen`, or the time is over.

    Waiting for a project that is complete, canceled or failed returns at once: nothing more will be rendered.
    """
    deadline = time.monotonic() + wait
    project = await run_in_threadpool(_read, web, kind, project_id)
    known = seen if seen is not None else project.status
    while project.status == known and not is_terminal(project.status) and project.state != "closed":
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            await web.broadcaster.wait_for_status((kind, project_id), known, left, caller.token_id)
        except NoSlotError as error:
            raise too_many(error) from None
        project = await run_in_threadpool(_read, web, kind, project_id)
    return project


def _read(web: Web, kind: str, project_id: str) -> schemas.Project:
    durations = web.learned.durations()
    with web.database.read() as connection:
        row, now = queries.read_project(connection, kind, project_id), clock(connection)
    if row is None:
        raise not_tracked(kind, project_id)
    return schemas.Project.of(row, durations, now)


def not_tracked(kind: str, project_id: str) -> ProblemError:
    """Return the problem that a project is not tracked."""
    return ProblemError(404, "not_tracked", f"{kind} {project_id} is not tracked; send it to POST /v1/projects")


def _rows(web: TheWeb, read: Any, kind: str, project_id: str) -> list[dict[str, Any]]:  # noqa: ANN401  a query
    with web.database.read() as connection:
        rows: list[dict[str, Any]] = read(connection, kind, project_id)
        if not rows and queries.read_project(connection, kind, project_id) is None:
            raise not_tracked(kind, project_id)
    return rows


@router.get("/projects/{kind}/{project_id}/history", summary="Read how its status changed")
def read_history(web: TheWeb, caller: Reader, kind: KindPath, project_id: IdPath) -> schemas.History:  # noqa: ARG001
    """Return every observed change of status, in order."""
    return schemas.History.model_validate({"data": _rows(web, queries.history, kind, project_id)})


@router.get("/projects/{kind}/{project_id}/credits", summary="Read its credit ledger")
def read_credits(web: TheWeb, caller: Reader, kind: KindPath, project_id: IdPath) -> schemas.Ledger:  # noqa: ARG001
    """Return every entry, in order. The amounts add up to `credits_charged`."""
    return schemas.Ledger.model_validate({"data": _rows(web, queries.ledger, kind, project_id)})


@router.get("/projects/{kind}/{project_id}/events", summary="Read its events")
def read_events(web: TheWeb, caller: Reader, kind: KindPath, project_id: IdPath) -> schemas.EventList:  # noqa: ARG001
    """Return every event, in order, with the number of its deliveries."""
    return schemas.EventList.model_validate({"data": _rows(web, queries.list_events, kind, project_id)})


@router.post("/projects/{kind}/{project_id}/recheck", summary="Check a project now")
def recheck(
    web: TheWeb,
    caller: Operator,
    kind: KindPath,
    project_id: IdPath,
    reason: Reason = None,
) -> operator_schemas.Done:
    """Make it due: it is checked after the next dispatch, even if it is closed."""
    with web.database.write() as connection:
        done = operator_actions.recheck(connection, kind, [project_id], actor(caller), reason)
    if not done:
        raise not_tracked(kind, project_id)
    return operator_schemas.Done()


@router.delete("/projects/{kind}/{project_id}", summary="Stop tracking a project")
def untrack(
    web: TheWeb,
    caller: Operator,
    kind: KindPath,
    project_id: IdPath,
    reason: Reason = None,
) -> schemas.Project:
    """Close it as untracked; its history stays. A project that is already closed does not change."""
    with web.database.write() as connection:
        operator_actions.untrack(connection, kind, [project_id], actor(caller), reason)
    return _read(web, kind, project_id)
