"""``renderwatch migrate``: create or upgrade the tables."""

import click

from worker.settings import get_settings
from worker.store import schema
from worker.store.engine import Database
from worker.tracking.maintenance import add_metadata


@click.command(short_help="Create or upgrade the database schema.")
def migrate() -> None:
    """Create or upgrade the database schema. Safe to run again, from several hosts at once, and while workers run.

    Afterwards it adds the metadata of projects that earlier versions tracked to the table for searches, a few thousand
    projects at a time. If that is interrupted, workers continue it.
    """
    database = Database(get_settings().database)
    try:
        reached = schema.migrate(database)
        added = add_metadata(database)
    finally:
        database.close()
    click.echo(f"the database is at revision {reached}")
    if added:
        click.echo(f"the metadata of {added} projects can be searched now", err=True)
