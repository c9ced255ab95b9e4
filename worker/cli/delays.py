"""``renderwatch delays``: detection delays, and the requests spent on them."""

from dataclasses import asdict
from datetime import timedelta

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table
from worker.settings import get_settings
from worker.store.engine import clock
from worker.store.monitoring.schedule_report import read_delays


@click.command(short_help="Show detection delays by type.")
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0.01, 87600), help="How far to look back."
)
@json_option
def delays(hours: float, *, as_json: bool) -> None:
    """Show detection delays by type, and the requests spent on them.

    A render ends somewhere between two checks, so its delay is an estimate.
    RENDERWATCH_TARGET_DETECTION_DELAY sets the target.
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
