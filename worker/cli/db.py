"""``renderwatch db``: roles for the database, and what it needs after a restore."""

import click

from worker.cli.context import open_database
from worker.store.readers.enqueuer_role import grant_enqueuer
from worker.store.readers.feed_offset import lift_feed
from worker.store.readers.reader_role import grant_reader
from worker.store.readers.roles import RoleError


@click.group(short_help="Manage access to the database.")
def db() -> None:
    """Manage access to the database."""


@db.command("grant-reader", short_help="Create a role that can read only the views.")
@click.argument("name")
def grant_reader_(name: str) -> None:
    """Create a PostgreSQL role that can read only the views. Safe to run again.

    The role has no password: the command that is printed sets one without showing it. Its transactions are read-only,
    and its queries time out after a minute unless a session sets another limit.
    """
    with open_database() as database:
        try:
            with database.write() as connection:
                new = grant_reader(connection, name)
        except RoleError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{name} {'was created and ' if new else ''}can read the views; docs/data-dictionary.md explains them")
    if new:
        _ask_for_password(name)


@db.command("grant-enqueuer", short_help="Let a role send projects in its own transactions.")
@click.argument("name")
def grant_enqueuer_(name: str) -> None:
    """Let a PostgreSQL role send projects in its own transactions, and do nothing else. Safe to run again.

    Name the role of the service; it keeps the rights that it has. One that is missing is created, without a password:
    the command that is printed sets one without showing it.
    """
    with open_database() as database:
        try:
            with database.write() as connection:
                new, schema = grant_enqueuer(connection, name)
        except RoleError as error:
            raise click.ClickException(str(error)) from None
    call = f"SELECT {schema}.track_project('video', 'ID')"
    click.echo(f"{name} {'was created and ' if new else ''}can send projects: {call}")
    if new:
        _ask_for_password(name)


def _ask_for_password(name: str) -> None:
    click.echo(f"It has no password yet; set one with: psql -c '\\password {name}'", err=True)


@db.command("after-restore", short_help="Keep readers' cursors valid after a restore.")
def after_restore() -> None:
    """Keep readers' event_feed cursors valid after a restore. Run it before workers start; safe to run again.

    On PostgreSQL, positions are transaction ids, and a different server may be at lower ones than the dump.
    """
    with open_database() as database, database.write() as connection:
        lifted = lift_feed(connection)
    click.echo(f"feed positions were raised by {lifted} transactions" if lifted else "feed positions need no change")
