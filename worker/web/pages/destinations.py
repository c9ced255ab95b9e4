"""The page of one destination: how it does, and pausing and resuming it."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.domain.deliveries.destination import LONGEST, routed_destinations
from worker.store.deliveries.destination_names import find_destination
from worker.store.deliveries.destination_report import read_destination
from worker.store.deliveries.pauses import pause_destination, resume_destination
from worker.web.forms import Form, GuardedForm, TheOperator, back
from worker.web.gate.messages import Done
from worker.web.render import TheViewer, Viewer

router: Final = APIRouter(include_in_schema=False)


@router.get("/deliveries/to")
def show_destination(viewer: TheViewer, destination: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    """Show how one destination does."""
    with viewer.web.database.read() as connection:
        row = read_destination(connection, _name(connection, viewer, destination))
    return viewer.page("destination.html", row=row)


@router.post("/deliveries/pause")
def pause(form: GuardedForm, viewer: TheOperator) -> Response:
    """Pause a destination."""
    return _act(form, viewer, pause_destination, "pause-destination")


@router.post("/deliveries/resume")
def resume(form: GuardedForm, viewer: TheOperator) -> Response:
    """Resume a destination."""
    return _act(form, viewer, resume_destination, "resume-destination")


def _act(form: Form, viewer: Viewer, act: Callable[..., bool], done: Done) -> Response:
    with viewer.web.database.write() as connection:
        act(connection, _name(connection, viewer, form.one("destination")), viewer.actor, form.reason)
    return back(form, viewer, done, 1)


def _name(connection: Any, viewer: Viewer, text: str) -> str:  # noqa: ANN401  only the store knows the type
    name = find_destination(connection, text.replace("\x00", ""), routed_destinations(viewer.web.settings.routes))
    if name is None:
        raise HTTPException(404, "there is no such destination")
    return name
