"""The metadata page: spend, failures and open work by customer, order, or another key that callers send."""

import csv
import io
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from worker.formatting import harmless
from worker.store.ledger import reports
from worker.store.ledger.metadata_report import MetadataReport, ValueReport, report_values
from worker.web.render import TheViewer, Viewer
from worker.web.searching.periods import PERIODS, period_of

router: Final = APIRouter(include_in_schema=False)
_SHOWN: Final = 100
_EXPORTED: Final = 50_000
_FIRST: Final = "customer"  # the key shown first, if there is one
Key = Annotated[str, Query(max_length=200)]


@router.get("/metadata")
def show_metadata(viewer: TheViewer, key: Key = "", period: str = "30d") -> Response:
    """Show the values of a key with the highest spend."""
    period = period if period in PERIODS else "30d"
    key = key.replace("\x00", "")
    with viewer.web.database.read() as connection:
        keys = reports.metadata_keys(connection)
    key = key or (_FIRST if _FIRST in keys else keys[0] if keys else "")
    return viewer.page(
        "metadata.html",
        period=period,
        periods=PERIODS,
        over=PERIODS[period][1],
        keys=keys if key in keys or not key else [key, *keys],
        key=key,
        report=_read(viewer, key, period, _SHOWN),
    )


@router.get("/metadata.csv")
def export_metadata(viewer: TheViewer, key: Key, period: str = "30d") -> Response:
    """Return the same as CSV, up to 50,000 values."""
    period = period if period in PERIODS else "30d"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless(key), *ValueReport._fields[1:]])
    for row in _read(viewer, key.replace("\x00", ""), period, _EXPORTED).rows:
        writer.writerow([harmless(row.value), *row[1:]])
    headers = {"content-disposition": f'attachment; filename="metadata-{period}.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _read(viewer: Viewer, key: str, period: str, most: int) -> MetadataReport:
    with viewer.web.database.read() as connection:
        return report_values(connection, key, period_of(period, viewer.health().now).start, most)
