"""The projects page: search, and actions on many projects."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from worker.domain.intake.identifiers import is_project_id
from worker.domain.monitoring.facts import MOST_COUNTED
from worker.domain.projects.status import KINDS, RUNNING, STATES, TERMINAL, Kind
from worker.store.projects import operator_actions
from worker.store.projects.search import (
    Search,
    Sort,
    count_everywhere,
    count_matches,
    find_projects,
    latest_id,
    matching,
)
from worker.web.cursor import CursorError, read_cursor, write_cursor
from worker.web.forms import Form, GuardedForm, TheOperator, back
from worker.web.render import TheViewer, Viewer
from worker.web.searching.export import export_csv, export_json
from worker.web.searching.periods import PERIODS
from worker.web.searching.project_filters import AGES, SELECTION_WORDS, filters_of, read_filters, search_for, sort_of

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_SORT_WORDS: Final[Mapping[Sort, str]] = {
    "newest": "newest first",
    "oldest": "oldest first",
    "due": "next check first",
    "finished": "finished last first",
    "credits": "most credits first",
}
_ACTIONS: Final = ("recheck", "untrack")


@router.get("/projects")
def show_projects(viewer: TheViewer, cursor: Annotated[str, Query(max_length=300)] = "") -> Response:
    """Show a page of the projects that match."""
    given, sort = filters_of(viewer.request), sort_of(viewer.request)
    search = search_for(given, viewer.health().now, sort)
    try:
        after = read_cursor(sort, cursor) if cursor else None
    except CursorError as error:
        raise HTTPException(400, str(error)) from None
    with viewer.web.database.read() as connection:
        page = find_projects(connection, search, _PAGE, after)
        is_all = page.next is None and not cursor
        total = len(page.rows) if is_all else count_matches(connection, search)
    return viewer.page(
        "projects.html",
        page=page,
        total=total,
        next=write_cursor(sort, page.next) if page.next else None,
        given=given,
        sort=sort,
        filtered=any(given.values()),
        first=not cursor,
        choices={
            "kind": KINDS,
            "state": ("open", *STATES),
            "status": (*sorted(RUNNING), *sorted(TERMINAL)),
            "age": tuple(AGES),
            "finished": tuple(PERIODS),
            "account": tuple(viewer.web.settings.accounts),
        },
        only=SELECTION_WORDS,
        used={name: value for name, value in given.items() if value},
        query=urlencode({name: value for name, value in given.items() if value}),
        sorts=_SORT_WORDS,
    )


@router.post("/projects/act")
def act(request: Request, form: GuardedForm, viewer: TheOperator) -> Response:  # noqa: ARG001  checked before
    """Perform an action on the selected projects; untracking needs a confirmation."""
    action = form.one("action")
    chosen = _chosen(form.get("project", []))
    if action not in _ACTIONS:
        raise HTTPException(400, "there is no such action")
    if action == "untrack" and not form.one("sure"):
        return viewer.page("confirm.html", action=action, chosen=chosen, back=form.one("back"))
    done = 0
    function = operator_actions.recheck if action == "recheck" else operator_actions.untrack
    with viewer.web.database.write() as connection:
        for kind, ids in chosen.items():
            done += len(function(connection, kind, ids, viewer.actor, form.reason))
    return back(form, viewer, "recheck" if action == "recheck" else "untrack", done)


@router.get("/projects/export.{form}")
def export(viewer: TheViewer, form: Literal["csv", "json"]) -> Response:
    """Stream every project that matches, as CSV or JSON."""
    search = search_for(filters_of(viewer.request), viewer.health().now)
    lines = {"csv": export_csv, "json": export_json}[form](viewer.web.database, search)
    media_type = {"csv": "text/csv; charset=utf-8", "json": "application/json"}[form]
    headers = {"content-disposition": f'attachment; filename="projects.{form}"'}
    return StreamingResponse(lines, headers=headers, media_type=media_type)


@router.post("/projects/all")
def act_on_all(form: GuardedForm, viewer: TheOperator) -> Response:
    """Perform an action on every project that matches, at most 10,000 at a time, after a page that says how many."""
    action = form.one("action")
    if action not in _ACTIONS:
        raise HTTPException(400, "there is no such action")
    given = read_filters({name: form.one(name) for name in form})
    search = search_for(given, viewer.health().now)
    if action == "untrack" and not search.states:
        search = replace(search, states=("active", "settling"))
    last = form.one("last")
    if form.one("sure") and last.isascii() and last.isdigit():
        return back(
            form, viewer, "recheck" if action == "recheck" else "untrack", _act_on(viewer, form, search, int(last))
        )
    with viewer.web.database.read() as connection:
        count, newest = count_everywhere(connection, search), latest_id(connection)
    used = {name: value for name, value in given.items() if value}
    return viewer.page(
        "confirm_all.html",
        action=action,
        count=count,
        last=newest,
        given=used,
        back=form.one("back"),
        most=MOST_COUNTED,
    )


def _act_on(viewer: Viewer, form: Form, search: Search, last: int) -> int:
    """Act in transactions of 1,000 projects each, on those that were tracked when the count was shown."""
    function = operator_actions.recheck if form.one("action") == "recheck" else operator_actions.untrack
    done, seen, above = 0, 0, 0
    while seen < MOST_COUNTED:
        with viewer.web.database.write() as connection:
            rows = [row for row in matching(connection, search, above=above) if row["id"] <= last]
            for kind in KINDS:
                ids = [row["project_id"] for row in rows if row["kind"] == kind]
                done += len(function(connection, kind, ids, viewer.actor, form.reason)) if ids else 0
        if not rows:
            break
        seen, above = seen + len(rows), rows[-1]["id"]
    return done


def _chosen(given: list[str]) -> dict[Kind, list[str]]:
    chosen: dict[Kind, list[str]] = {}
    for text in given:
        kind, _, project_id = text.partition("/")
        for known in KINDS:
            if kind == known and is_project_id(project_id):
                chosen.setdefault(known, []).append(project_id)
    return chosen
