"""Finding projects, and acting on many at once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from worker.domain.identifiers import is_project_id
from worker.domain.status import KINDS, RUNNING, STATES, TERMINAL, Kind
from worker.store import operations
from worker.store.search import Search, Sort, find_projects
from worker.web.cursor import CursorError, read_cursor, write_cursor
from worker.web.pages.forms import GuardedForm, TheOperator, back
from worker.web.pages.render import TheViewer

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_AGES: Final = {"1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
_SORT_WORDS: Final[Mapping[Sort, str]] = {
    "newest": "newest first",
    "oldest": "oldest first",
    "due": "next check first",
    "finished": "finished last first",
    "credits": "most credits first",
}
_ACTIONS: Final = ("recheck", "untrack")


@router.get("/projects")
def show_projects(  # noqa: PLR0913  one argument for each filter
    viewer: TheViewer,
    *,
    text: str = "",
    kind: str = "",
    type: str = "",  # noqa: A002  the filter's name
    status: str = "",
    state: str = "",
    account: str = "",
    error_code: str = "",
    age: str = "",
    sort: Sort = "newest",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """Show a page of the projects that match."""
    given = {
        "text": text, "kind": kind, "type": type, "status": status, "state": state, "account": account,
        "error_code": error_code, "age": age,
    }  # fmt: skip
    given = {name: value.replace("\x00", "").strip()[:200] for name, value in given.items()}
    search = _search(viewer, given, sort)
    try:
        after = read_cursor(sort, cursor) if cursor else None
    except CursorError as error:
        raise HTTPException(400, str(error)) from None
    with viewer.web.database.read() as connection:
        page = find_projects(connection, search, _PAGE, after)
    return viewer.page(
        "projects.html",
        page=page,
        next=write_cursor(sort, page.next) if page.next else None,
        given=given,
        sort=sort,
        filtered=any(given.values()),
        first=not cursor,
        choices={
            "kind": KINDS,
            "state": ("open", *STATES),
            "status": (*sorted(RUNNING), *sorted(TERMINAL)),
            "age": tuple(_AGES),
            "account": tuple(viewer.web.settings.accounts),
        },
        sorts=_SORT_WORDS,
        asked={name: value for name, value in {**given, "sort": sort}.items() if value},
    )


def _search(viewer: TheViewer, given: Mapping[str, str], sort: Sort) -> Search:
    def some(name: str) -> tuple[str, ...]:
        return tuple(word for word in given[name].split(",") if word)

    states = ("active", "settling") if given["state"] == "open" else some("state")
    text = given["text"]
    key, colon, value = text.partition(":")
    by_metadata = bool(colon and key and '"' not in key and "\\" not in key)
    age = _AGES.get(given["age"])
    return Search(
        text=None if by_metadata else text or None,
        metadata={key: value.strip()} if by_metadata else {},
        kinds=some("kind"),
        types=some("type"),
        statuses=some("status"),
        states=states,
        account=given["account"] or None,
        error_code=given["error_code"] or None,
        tracked_after=viewer.health().now - timedelta(seconds=age) if age else None,
        sort=sort,
    )


@router.post("/projects/act")
def act(request: Request, form: GuardedForm, viewer: TheOperator) -> Response:  # noqa: ARG001  checked before
    """Do something to the chosen projects; to stop following them is asked for twice."""
    action = form.one("action")
    chosen = _chosen(form.get("project", []))
    if action not in _ACTIONS:
        raise HTTPException(400, "there is no such action")
    if action == "untrack" and not form.one("sure"):
        return viewer.page("confirm.html", action=action, chosen=chosen, back=form.one("back"))
    done = 0
    function = operations.recheck if action == "recheck" else operations.untrack
    with viewer.web.database.write() as connection:
        for kind, ids in chosen.items():
            done += len(function(connection, kind, ids, viewer.actor, form.reason))
    return back(form, action, done)


def _chosen(given: list[str]) -> dict[Kind, list[str]]:
    chosen: dict[Kind, list[str]] = {}
    for text in given:
        kind, _, project_id = text.partition("/")
        for known in KINDS:
            if kind == known and is_project_id(project_id):
                chosen.setdefault(known, []).append(project_id)
    return chosen
