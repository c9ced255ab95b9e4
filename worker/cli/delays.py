"""``renderwatch delays``: how late ends are seen, and what that costs in requests."""

from dataclasses import asdict
from datetime import timedelta

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table
from worker.settings import get_settings
from worker.store.engine import clock
from worker.store.timing import read_delays


@click.command(short_help="Show how late ends are seen, by type.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.01, 87600), help="Look back so far.")
@json_option
def delays(hours: float, *, as_json: bool) -> None:
    """Show by type how late the ends of renders were seen, beside the requests that it took.

    An end is only known to lie between two checks; the middle is taken. RENDERWATCH_TARGET_DETECTION_DELAY sets the
    target.
    """
    with open_database() as database, database.read() as connection:
        rows = read_delays(connection, clock(connection) - timedelta(hours=hours))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    headers = ("kind", "type", "renders", "requests each", "mean delay", "p50", "p95", "p99")
    cells = [
        (r.kind, r.type, r.renders, f"{r.checks:.1f}", *(f"{each:.1f} s" for each in (r.mean, r.p50, r.p95, r.p99)))
        for r in rows
    ]
    console().print(table(headers, cells))
    click.echo(f"in the last {hours:g} hours; target {get_settings().target_detection_delay:g} s", err=True)
