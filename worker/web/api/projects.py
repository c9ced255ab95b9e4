"""Tracking projects, and reading about them."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from worker.domain.status import Kind, State, is_terminal
from worker.store import operations, queries
from worker.store.engine import Database
from worker.store.search import Search, Sort, find_projects
from worker.tracking.intake import MOST_ITEMS, Taken, track
from worker.web.api import schemas
from worker.web.api.access import JsonBody, Operator, Reader, TheWeb, Tracker, actor
from worker.web.api.bodies import ITEM, MANY, body
from worker.web.api.params import IdPath, KindPath, Moment, Reason, Text, Word, Words
from worker.web.cursor import CursorError, read_cursor, write_cursor
from worker.web.hub import FullError
from worker.web.problems import ProblemError

LONGEST_WAIT: Final = 60.0
router = APIRouter(tags=["projects"])


@router.post(
    "/projects",
    summary="Track a project",
    status_code=201,
    responses={200: {"model": schemas.Tracked, "description": "It was known already"}},
    openapi_extra=body(ITEM),
)
def track_one(web: TheWeb, caller: Tracker, item: JsonBody, response: Response) -> schemas.Tracked:  # noqa: ARG001  the scope
    """Hand over the id that a create call returned. Answered after it is stored; sending it again is always safe."""
    taken = track(web.database, web.settings, [item])
    if taken.rejected:
        (refused,) = taken.rejected
        status, code = (409, "tracked_elsewhere") if refused.conflicts else (422, "bad_request")
        raise ProblemError(status, code, refused.reason)
    response.status_code = 201 if taken.new else 200
    response.headers["location"] = f"/v1/projects/{item['kind']}/{item['project_id']}"
    project = _read(web.database, item["kind"], item["project_id"])
    return schemas.Tracked(tracked="new" if taken.new else "reopened" if taken.reopened else "known", project=project)


@router.post("/projects/bulk", summary="Track many projects", openapi_extra=body(MANY))
def track_many(web: TheWeb, caller: Tracker, item: JsonBody) -> schemas.TrackedMany:  # noqa: ARG001  the scope
    """Hand over up to 10,000 ids at once: the good ones are stored, of each other one it is said what is wrong."""
    items = item.get("projects") if isinstance(item, dict) and len(item) == 1 else None
    if not isinstance(items, list):
        raise ProblemError(
            422, "bad_request", 'send an object like {"projects": [{"kind": "video", "project_id": "…"}]}'
        )
    if len(items) > MOST_ITEMS:
        raise ProblemError(422, "bad_request", f"these are {len(items)} projects; send at most {MOST_ITEMS} at once")
    return _many(track(web.database, web.settings, items))


def _many(taken: Taken) -> schemas.TrackedMany:
    rejected = [schemas.Rejection(position=each.position, reason=each.reason) for each in taken.rejected]
    return schemas.TrackedMany(new=taken.new, known=taken.known, reopened=taken.reopened, rejected=rejected)


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
    metadata: Annotated[list[Word] | None, Query(max_length=50, description="key:value; all must match")] = None,
    tracked_after: Moment | None = None,
    tracked_before: Moment | None = None,
    sort: Sort = "newest",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Text = None,
) -> schemas.ProjectPage:
    """Return a page of the projects that match every filter.

    A page may be short, or empty, and still have a `next_cursor`: what no index helps with is searched 100,000 projects
    at a time, and `searched_back_to` says how far.
    """
    search = Search(
        text=text,
        kinds=kind or (),
        types=type or (),
        statuses=status or (),
        states=state or (),
        account=account,
        error_code=error_code,
        metadata=_pairs(metadata or []),
        tracked_after=tracked_after,
        tracked_before=tracked_before,
        sort=sort,
    )
    try:
        after = read_cursor(sort, cursor) if cursor is not None else None
    except CursorError as error:
        raise ProblemError(422, "bad_cursor", str(error)) from None
    with web.database.read() as connection:
        page = find_projects(connection, search, limit, after)
    return schemas.ProjectPage(
        data=[schemas.Project.of(row) for row in page.rows],
        next_cursor=write_cursor(sort, page.next) if page.next else None,
        searched_back_to=page.searched_back_to,
    )


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, colon, value = text.partition(":")
        if not colon or not key or '"' in key or "\\" in key:
            raise ProblemError(422, "bad_filter", f"metadata is filtered by key:value, not by {text!r}")
        pairs[key] = value
    return pairs


@router.get("/projects/{kind}/{project_id}", summary="Read a project, or wait for its next status")
async def read_project(
    web: TheWeb,
    caller: Reader,  # noqa: ARG001  the scope
    kind: KindPath,
    project_id: IdPath,
    *,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="seconds")] = 0.0,
    seen: Annotated[Word | None, Query(description="the status that you know; the present one if left out")] = None,
) -> schemas.Project:
    """Return a project. With `wait`, return as soon as its status is another than `seen`, or the time is over.

    Waiting for a project that is complete, canceled or failed returns at once: nothing more will be rendered.
    """
    deadline = time.monotonic() + wait
    project = await run_in_threadpool(_read, web.database, kind, project_id)
    known = seen if seen is not None else project.status
    while project.status == known and not is_terminal(project.status) and project.state != "closed":
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            await web.hub.wait_for_status((kind, project_id), known, left)
        except FullError:
            raise ProblemError(503, "too_many_waiters", "too many wait already; ask without wait") from None
        project = await run_in_threadpool(_read, web.database, kind, project_id)
    return project


def _read(database: Database, kind: str, project_id: str) -> schemas.Project:
    with database.read() as connection:
        row = queries.read_project(connection, kind, project_id)
    if row is None:
        raise not_tracked(kind, project_id)
    return schemas.Project.of(row)


def not_tracked(kind: str, project_id: str) -> ProblemError:
    """Return the problem that a project is not known."""
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
def read_events(web: TheWeb, caller: Reader, kind: KindPath, project_id: IdPath) -> schemas.NewsList:  # noqa: ARG001
    """Return every event, in order, with the number of its deliveries."""
    return schemas.NewsList.model_validate({"data": _rows(web, queries.news, kind, project_id)})


@router.post("/projects/{kind}/{project_id}/recheck", summary="Check a project now")
def recheck(
    web: TheWeb,
    caller: Operator,
    kind: KindPath,
    project_id: IdPath,
    reason: Reason = None,
) -> schemas.Done:
    """Make it due: it is checked with the next dispatch, also if it is closed."""
    with web.database.write() as connection:
        done = operations.recheck(connection, kind, [project_id], actor(caller), reason)
    if not done:
        raise not_tracked(kind, project_id)
    return schemas.Done()


@router.delete("/projects/{kind}/{project_id}", summary="Stop following a project")
def untrack(
    web: TheWeb,
    caller: Operator,
    kind: KindPath,
    project_id: IdPath,
    reason: Reason = None,
) -> schemas.Project:
    """Close it as untracked; what was recorded stays. One that is closed already stays as it is."""
    with web.database.write() as connection:
        operations.untrack(connection, kind, [project_id], actor(caller), reason)
    return _read(web.database, kind, project_id)
