"""The deliveries page: states, payloads and replays."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.domain.deliveries.destination import routed_destinations
from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.deliveries.states import STATES
from worker.domain.projects.events import EVENT_TYPES
from worker.store.deliveries import queries
from worker.store.deliveries.delivery_filter import EVERYTHING, DeliveryFilter, Several, resolve
from worker.store.deliveries.destination_report import list_names, read_destinations
from worker.store.deliveries.replays import count_deliveries
from worker.tracking.replay_deliveries import replay_matching
from worker.web.forms import Form, GuardedForm, TheOperator, back
from worker.web.render import TheViewer, Viewer
from worker.web.replay_target import NOT_PERMITTED, permitted_target

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_LARGEST: Final = 2**63 - 1
_LONGEST: Final = 300
_SEVERAL: Final[tuple[Several, ...]] = get_args(Several)
_FILTERS: Final = ("state", "type", "project", "destination", "since", "until")


@router.get("/deliveries")
def show_deliveries(viewer: TheViewer, before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None) -> Response:
    """Show the deliveries that match, newest first, and the state of each destination."""
    query = viewer.request.query_params
    given = {name: query.get(name, "").replace("\x00", "").strip()[:_LONGEST] for name in _FILTERS}
    wanted = _wanted(given)
    with viewer.web.database.read() as connection:
        rows = queries.list_deliveries(connection, resolve(connection, wanted), before=before, limit=_PAGE + 1)
        destinations = read_destinations(connection, routed_destinations(viewer.web.settings.routes))
    return viewer.page(
        "deliveries.html",
        rows=rows[:_PAGE],
        next=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else None,
        given=given,
        filtered=wanted != EVERYTHING,
        states=(*STATES, given["state"]) if given["state"] in _SEVERAL else STATES,
        types=EVENT_TYPES,
        destinations=destinations,
    )


@router.get("/deliveries/{number}")
def show_delivery(viewer: TheViewer, number: int) -> Response:
    """Show one delivery with its payload."""
    with viewer.web.database.read() as connection:
        row = queries.read_delivery(connection, number) if 0 < number <= _LARGEST else None
    if row is None:
        raise HTTPException(404, f"there is no delivery {number}")
    return viewer.page("delivery.html", delivery=row)


@router.post("/deliveries/replay")
def replay(form: GuardedForm, viewer: TheOperator) -> Response:
    """Replay the selected deliveries, or all that match, which needs a confirmation."""
    if form.one("every"):
        return _replay_matching(form, viewer)
    chosen = [number for text in form.get("delivery", []) if (number := _number(text))]
    with viewer.web.database.write() as connection:
        done = queries.replay(connection, chosen, viewer.actor, form.reason)
    return back(form, viewer, "replay", len(done))


def _replay_matching(form: Form, viewer: Viewer) -> Response:
    """Ask, or replay about 10,000 of those that were counted, and ask again if there are more."""
    given = {name: form.one(name).strip()[:_LONGEST] for name in _FILTERS}
    wanted, last, after, replayed = _wanted(given), _number(form.one("last")), _number(form.one("after")), 0
    if wanted == EVERYTHING:
        raise HTTPException(400, "say which deliveries: set a filter first")
    with viewer.web.database.read() as connection:
        wanted = resolve(connection, wanted)
        target = permitted_target(connection, form.one("to"), viewer.web.settings)
    if form.one("to") and target is None:
        raise HTTPException(400, NOT_PERMITTED)
    if form.one("sure"):
        done = replay_matching(
            viewer.web.database,
            wanted,
            last=last,
            after=after,
            destination=target,
            most=queries.MOST_REPLAYED,
            actor=viewer.actor,
            reason=form.reason,
        )
        if done.next_after is None:
            return back(form, viewer, "replay", done.count)
        after, replayed = done.next_after, done.count
    with viewer.web.database.read() as connection:
        count, last = count_deliveries(connection, wanted, after, last or None)
        names = list_names(connection, routed_destinations(viewer.web.settings.routes))
    return viewer.page(
        "confirm_replay.html",
        given=given,
        count=count,
        last=last,
        after=after,
        replayed=replayed,
        to=form.one("to"),
        reason=form.reason or "",
        names=[shown_destination(name) for name in names],
        back=form.one("back"),
    )


def _wanted(given: Mapping[str, str]) -> DeliveryFilter:
    """Return the filter of a form; states and types that do not exist are ignored."""
    return DeliveryFilter(
        state=next((state for state in STATES if state == given["state"]), None),
        several=next((each for each in _SEVERAL if each == given["state"]), None),
        event_type=next((each for each in EVENT_TYPES if each == given["type"]), None),
        project_id=given["project"] or None,
        destination=given["destination"] or None,
        since=_moment(given["since"]),
        until=_moment(given["until"]),
    )


def _moment(text: str) -> datetime | None:
    """Return a time in UTC, as a browser's field for date and time sends it. Raises HTTPException."""
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        raise HTTPException(400, "write times like 2026-11-27T08:00, in UTC") from None
    if found and not 1 < found.year < 9999:  # noqa: PLR2004  as in the API
        raise HTTPException(400, "the year must be between 2 and 9998")
    return found


def _number(text: str) -> int:
    """Return the number in a field; 0 if there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004  as many digits as fit
