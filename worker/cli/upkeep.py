"""``renderwatch upkeep``: run maintenance now."""

import click

from worker.cli.context import open_database
from worker.settings import get_settings
from worker.tracking.maintenance import close_past_days, remove_old


@click.command(short_help="Close past days, and remove projects older than RENDERWATCH_RETENTION.")
def upkeep() -> None:
    """Close past days in the daily totals, and remove closed projects older than RENDERWATCH_RETENTION.

    Workers do this every ten minutes anyway. The credits of removed projects stay in the daily totals, so the sums of
    `renderwatch credits report` do not change.
    """
    with open_database() as database:
        closed = close_past_days(database)
        retired = remove_old(database, get_settings().retention)
    click.echo(f"{closed} days closed, {retired} projects removed")
