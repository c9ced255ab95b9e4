"""Deliveries: what is pending, what is dead, and sending it again."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.store import delivery_lists
from worker.web.pages.forms import GuardedForm, TheOperator, back
from worker.web.pages.render import TheViewer, since

router = APIRouter(include_in_schema=False)
_PAGE: Final = 50
_DAY: Final = 86400
_STATES: Final = ("pending", "sent", "dead")
_LARGEST: Final = 2**63 - 1


@router.get("/deliveries")
def show_deliveries(
    viewer: TheViewer,
    state: str = "",
    destination: Annotated[str, Query(max_length=300)] = "",
    before: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
) -> Response:
    """Show deliveries, the latest first, and how each destination does."""
    state = state if state in _STATES else ""
    destination = destination.replace("\x00", "")
    with viewer.web.database.read() as connection:
        rows = delivery_lists.list_deliveries(
            connection, state=state or None, destination=destination or None, before=before, limit=_PAGE + 1
        )
        destinations = delivery_lists.count_by_destination(connection, since(viewer.health().now, _DAY))
    return viewer.page(
        "deliveries.html",
        rows=rows[:_PAGE],
        next=rows[_PAGE - 1]["id"] if len(rows) > _PAGE else None,
        state=state,
        states=_STATES,
        destination=destination,
        destinations=destinations,
    )


@router.get("/deliveries/{number}")
def show_delivery(viewer: TheViewer, number: int) -> Response:
    """Show one delivery and what it carries."""
    with viewer.web.database.read() as connection:
        row = delivery_lists.read_delivery(connection, number) if 0 < number <= _LARGEST else None
    if row is None:
        raise HTTPException(404, f"there is no delivery {number}")
    return viewer.page("delivery.html", delivery=row)


@router.post("/deliveries/replay")
def replay(form: GuardedForm, viewer: TheOperator) -> Response:
    """Send deliveries again: those that were chosen, or all dead ones of a destination or of all."""
    chosen = [int(text) for text in form.get("delivery", []) if text.isascii() and text.isdigit() and len(text) < 19]  # noqa: PLR2004  as many digits as fit
    every = form.one("every") == "dead"
    if every and not form.one("sure"):
        return viewer.page("confirm_replay.html", destination=form.one("destination"), back=form.one("back"))
    with viewer.web.database.write() as connection:
        done = delivery_lists.replay(
            connection,
            None if every else chosen,
            viewer.actor,
            form.reason,
            destination=form.one("destination") or None,
        )
    return back(form, "replay", len(done))
