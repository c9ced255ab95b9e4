"""``renderwatch migrate``: make or change the tables."""

import click

from worker.settings import get_settings
from worker.store import schema
from worker.store.engine import Database


@click.command(short_help="Bring the database to the present schema.")
def migrate() -> None:
    """Bring the database to the present schema. Safe to run again, and at the same time from several places."""
    database = Database(get_settings().database)
    try:
        schema.migrate(database)
    finally:
        database.close()
    click.echo(f"the database is at revision {schema.newest()}")
