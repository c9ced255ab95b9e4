"""The check times page: learned durations, and the detection delays of recent renders."""

import time
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from worker.domain.scheduling.durations import PUBLISHED, Durations
from worker.store.monitoring.schedule_report import read_delays
from worker.store.scheduling import durations
from worker.web.drawing import curves
from worker.web.render import TheViewer, since

router: Final = APIRouter(include_in_schema=False)
_DAY: Final = 86400


@router.get("/check-times")
def show_check_times(viewer: TheViewer) -> Response:
    """Show learned durations and detection delays."""
    settings = viewer.web.settings
    started = time.monotonic()
    with viewer.web.database.read() as connection:
        delays = read_delays(connection, since(viewer.health().now, _DAY), most=5_000)
        learned: Durations = durations.load(connection)
        counts = durations.learned_from(connection)
    return viewer.page(
        "check_times.html",
        delays=delays,
        curves=curves.curves(learned, counts, settings),
        published=len(PUBLISHED),
        settings=settings,
        took=time.monotonic() - started,
    )
