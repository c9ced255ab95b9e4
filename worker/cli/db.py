"""``renderwatch db``: who may read the database."""

import click

from worker.cli.context import open_database
from worker.store.readers import ReaderError, grant_reader


@click.group(short_help="Let others read the database.")
def db() -> None:
    """Let others read the database."""


@db.command("grant-reader", short_help="Make a role that sees the views, and nothing else.")
@click.argument("name")
def grant_reader_(name: str) -> None:
    """Make a PostgreSQL role that sees the views, and nothing else. Safe to run again.

    The role has no password: the line that is printed sets one without showing it. Its transactions only read, and its
    queries end after a minute unless it asks for more.
    """
    with open_database() as database:
        try:
            with database.write() as connection:
                new = grant_reader(connection, name)
        except ReaderError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{name} {'was made and ' if new else ''}can read the views; docs/data-dictionary.md explains them")
    if new:
        click.echo(f"It has no password yet; set one with: psql -c '\\password {name}'", err=True)
