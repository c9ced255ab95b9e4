"""``renderwatch upkeep``: book and tidy up now, instead of waiting for the task."""

import click

from worker.cli.context import open_database
from worker.settings import get_settings
from worker.tracking.upkeep import book, remove_old


@click.command(short_help="Book the days that are over, and remove what is older than RENDERWATCH_RETENTION.")
def upkeep() -> None:
    """Book the days that are over, and remove closed projects that are older than RENDERWATCH_RETENTION.

    Workers do this every ten minutes by themselves. What removed projects cost stays in the books: the sums of
    `renderwatch credits report` do not change.
    """
    with open_database() as database:
        booked = book(database)
        retired = remove_old(database, get_settings().retention)
    click.echo(f"{booked} days booked, {retired} projects removed")
