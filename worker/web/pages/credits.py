"""The credits page: what was spent and refunded over a period that the viewer chooses."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from worker.store.ledger import reports
from worker.store.ledger.balance_forecast import forecast_balances
from worker.store.monitoring import overview
from worker.web.drawing import charts
from worker.web.render import TheViewer
from worker.web.searching.periods import PERIODS, period_of

router: Final = APIRouter(include_in_schema=False)


@router.get("/credits")
def show_credits(viewer: TheViewer, period: str = "7d") -> Response:
    """Show what was spent and refunded."""
    now = viewer.health().now
    chosen = period_of(period, now)
    start, over, width = chosen.start, chosen.label, chosen.width
    with viewer.web.database.read() as connection:
        rows = reports.read_spend(connection, start, width)
        keys = reports.metadata_keys(connection)
        outstanding = reports.outstanding(connection, start)
        spent, back = overview.credits_since(connection, start)
        balances = forecast_balances(connection, now)
    times = overview.spans(start, now, width)
    spans = {row["span"]: row for row in reports.summed(rows, ["span"])}
    chart = charts.bars(
        "Credits", "credits", over, times, width,
        {
            "spent": {span: row["spent"] for span, row in spans.items()},
            "refunded": {span: row["back"] for span, row in spans.items()},
        },
        {"spent": "s-blue", "refunded": "s-green"},
        below=("refunded",), partial=(times[0], times[-1]),
    )  # fmt: skip
    return viewer.page(
        "credits.html",
        period=chosen.key,
        periods=PERIODS,
        over=over,
        chart=chart,
        spent=spent,
        came_back=back,
        types=reports.summed(rows, ["kind", "type"]),
        accounts=reports.summed(rows, ["account"]),
        keys=keys,
        outstanding=outstanding,
        balances=balances,
    )
