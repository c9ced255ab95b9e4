"""The overview page: health, and the last day."""

from collections import defaultdict
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from worker.store.monitoring import overview
from worker.web.drawing import charts
from worker.web.render import TheViewer, since
from worker.web.searching.periods import period_of

router = APIRouter(include_in_schema=False)
_DAY: Final = 86400
_HOUR: Final = 3600
_MINUTE: Final = 60
ENDS: Final = {"complete": "s-green", "error": "s-red", "canceled": "s-grey"}


@router.get("/")
def show_overview(viewer: TheViewer) -> Response:
    """Show the current state, and charts of the last day."""
    settings = viewer.web.settings
    now = viewer.health().now
    day, hour = since(now, _DAY), since(now, _HOUR)
    today = period_of("today", now).start
    with viewer.web.database.read() as connection:
        by_status = overview.open_by_status(connection)
        finished = overview.finished_by_span(connection, day, _HOUR)
        delays = overview.delay_by_span(connection, day, _HOUR)
        mean_delay = overview.mean_delay(connection, day)
        last_hour = overview.mean_delay(connection, hour)
        requests = overview.requests_by_minute(connection, hour)
        spent, back = overview.credits_since(connection, today)
    hours = overview.spans(day, now, _HOUR)
    minutes = overview.spans(hour, now, _MINUTE)[1:-1]
    ends: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for name in ENDS:
        ends[name] = {}
    for span, status, count in finished:
        if status in ENDS:  # not those that finished and run again
            ends[status][span] = count
    rates = {minute: requests.get(minute, 0) / _MINUTE for minute in minutes}
    limit = settings.rate * max(1, len(viewer.health().facts.accounts))
    return viewer.page(
        "overview.html",
        by_status=by_status,
        ended={name: int(sum(values.values())) for name, values in ends.items()},
        open_projects=sum(count for _, _, count in by_status),
        settling=sum(count for state, _, count in by_status if state == "settling"),
        mean_delay=mean_delay,
        last_hour=last_hour,
        target=settings.target_detection_delay,
        rate=sum(list(rates.values())[-5:]) / 5 if rates else 0,
        limit=limit,
        spent=spent,
        back=back,
        finished_chart=charts.bars(
            "Finished projects", "projects an hour", "24 hours", hours, _HOUR, ends, ENDS,
            partial=(hours[0], hours[-1]),
        ),
        delay_chart=charts.line(
            "Detection delay", "seconds, mean of each hour", "24 hours", hours, _HOUR, delays,
            limit=settings.target_detection_delay, limit_name="target",
        ),
        requests_chart=charts.line(
            "Requests", "a second, mean of each minute", "1 hour", minutes, _MINUTE, rates, limit=limit, css="s-violet"
        ),
    )  # fmt: skip
