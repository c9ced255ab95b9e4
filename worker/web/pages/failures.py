"""The failures page: projects that failed, by error code, and what keeps open projects from being checked."""

from collections import defaultdict
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from worker.store.ledger import reports
from worker.store.monitoring import overview
from worker.web.drawing import charts
from worker.web.render import TheViewer
from worker.web.searching.periods import PERIODS, period_of

router: Final = APIRouter(include_in_schema=False)
_PALETTE: Final = ("s-red", "s-amber", "s-violet", "s-blue", "s-grey")


@router.get("/failures")
def show_failures(viewer: TheViewer, period: str = "7d") -> Response:
    """Show what went wrong, by error code, and what keeps open projects from being checked."""
    now = viewer.health().now
    chosen = period_of(period, now)
    start, over, width = chosen.start, chosen.label, chosen.width
    with viewer.web.database.read() as connection:
        codes = reports.failures_by_code(connection, start)
        trend = reports.failures_by_span(connection, start, width)
        total = reports.count_failures(connection, start)
        problems = reports.problems_now(connection)
    shown = [each["code"] for each in codes[: len(_PALETTE) - 1]]
    names = {code: code or "no code" for code in shown}
    series: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for code in shown:
        series[names[code]] = {}
    for span, code, count in trend:
        name = names.get(code, "others")
        series[name][span] = series[name].get(span, 0) + count
    classes = dict(zip(series, _PALETTE, strict=False))
    spans = overview.spans(start, now, width)
    return viewer.page(
        "failures.html",
        period=chosen.key,
        periods=PERIODS,
        over=over,
        codes=codes,
        total=total,
        beyond=total - sum(each["projects"] for each in codes),
        problems=problems,
        chart=charts.bars("Failures", "projects", over, spans, width, series, classes, partial=(spans[0], spans[-1])),
    )
