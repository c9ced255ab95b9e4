"""``renderwatch accounts``: what each account may ask, what a request is worth, and whether it is paused."""

import click

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, table
from worker.settings import get_settings
from worker.store import operations
from worker.store.timing import read_accounts


@click.command(short_help="Show the accounts, and lift a pause.")
@click.option(
    "--resume", metavar="NAME", help="Lift the pause of this account: it is asked for with the next dispatch."
)
@click.option("--reason", help="Why; kept with your name.")
@json_option
def accounts(resume: str | None, reason: str | None, *, as_json: bool) -> None:
    """Show what each account may ask, the price of its requests, and whether and why it is paused.

    Accounts pause and resume by themselves. Lift a pause when you have mended its cause and do not want to wait.
    """
    settings = get_settings()
    with open_database() as database:
        if resume is not None:
            with database.write() as connection:
                known = operations.resume_account(connection, resume, actor(), reason)
            if not known:
                raise click.ClickException(f"there is no account {resume!r}; renderwatch accounts lists them")
        with database.read() as connection:
            rows = read_accounts(connection, settings.target_detection_delay)
    for row in rows:
        row["has_key"] = row["name"] in settings.accounts
    if as_json:
        print_json(rows)
        return
    headers = (
        "account",
        "API key",
        "open projects",
        "requests/s",
        "saved up",
        "price (s)",
        "paused until (UTC)",
        "why",
    )
    console().print(
        table(
            headers,
            [
                (
                    row["name"],
                    "set" if row["has_key"] else "missing",
                    row["open_projects"],
                    f"{settings.rate * row['rate_factor']:.2f}",
                    int(row["tokens"]),
                    f"{row['price']:.2f}",
                    row["paused_until"],
                    row["pause_reason"],
                )
                for row in rows
            ],
        )
    )
