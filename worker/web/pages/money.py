"""Credits, and failures: sums over a time that the viewer chooses."""

from collections import defaultdict
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from worker.store import overview, spend
from worker.web import charts
from worker.web.pages.render import TheViewer, since

router = APIRouter(include_in_schema=False)
_DAY: Final = 86400
# How long, its words, and the width of a bar.
PERIODS: Final = {
    "24h": (_DAY, "24 hours", 3600),
    "7d": (7 * _DAY, "7 days", 6 * 3600),
    "30d": (30 * _DAY, "30 days", _DAY),
}
_PALETTE: Final = ("s-red", "s-amber", "s-violet", "s-blue", "s-grey")


@router.get("/credits")
def show_credits(viewer: TheViewer, period: str = "7d", by: str = "") -> Response:
    """Show what was spent and what came back."""
    seconds, over, width = PERIODS.get(period, PERIODS["7d"])
    now = viewer.health().now
    start = since(now, seconds)
    by = "" if '"' in by or "\\" in by or "\x00" in by else by[:100]
    with viewer.web.database.read() as connection:
        rows = spend.read_spend(connection, start, width)
        keys = spend.metadata_keys(connection)
        values = spend.spend_by_metadata(connection, start, by) if by else []
        outstanding = spend.outstanding(connection, start)
    spans = {row["span"]: row for row in spend.summed(rows, ["span"])}
    chart = charts.bars(
        "Credits", "credits", over, overview.spans(start, now, width), width,
        {
            "spent": {span: row["spent"] for span, row in spans.items()},
            "came back": {span: row["back"] for span, row in spans.items()},
        },
        {"spent": "s-blue", "came back": "s-green"},
    )  # fmt: skip
    return viewer.page(
        "credits.html",
        period=period if period in PERIODS else "7d",
        periods=PERIODS,
        over=over,
        chart=chart,
        spent=sum(row["spent"] for row in spans.values()),
        came_back=sum(row["back"] for row in spans.values()),
        types=spend.summed(rows, ["kind", "type"]),
        accounts=spend.summed(rows, ["account"]),
        keys=keys,
        by=by,
        values=values,
        outstanding=outstanding,
    )


@router.get("/failures")
def show_failures(viewer: TheViewer, period: str = "7d") -> Response:
    """Show what went wrong, by error code, and what keeps open projects from being checked."""
    seconds, over, width = PERIODS.get(period, PERIODS["7d"])
    now = viewer.health().now
    start = since(now, seconds)
    with viewer.web.database.read() as connection:
        codes = spend.failures_by_code(connection, start)
        trend = spend.failures_by_span(connection, start, width)
        problems = spend.problems_now(connection)
    shown = [each["code"] for each in codes[: len(_PALETTE) - 1]]
    series: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for code in shown:
        series[str(code)] = {}
    for span, code, count in trend:
        name = str(code) if code in shown else "others"
        series[name][span] = series[name].get(span, 0) + count
    classes = dict(zip(series, _PALETTE, strict=False))
    spans = overview.spans(start, now, width)
    return viewer.page(
        "failures.html",
        period=period if period in PERIODS else "7d",
        periods=PERIODS,
        over=over,
        codes=codes,
        total=sum(each["projects"] for each in codes),
        problems=problems,
        chart=charts.bars("Failures", "projects", over, spans, width, series, classes),
    )
