"""``renderwatch accounts``: each account's rate limit, the price of a request, and pauses."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, table
from worker.settings import get_settings
from worker.store.monitoring.schedule_report import read_accounts
from worker.store.projects import operator_actions


@click.command(short_help="Show accounts, or resume a paused one.")
@click.option("--resume", metavar="NAME", help="Resume this account now.")
@click.option("--reason", help="The reason, recorded with your name.")
@json_option
def accounts(resume: str | None, reason: str | None, *, as_json: bool) -> None:
    """Show each account's available requests, the price of a request, and why it is paused, if it is.

    Accounts pause and resume automatically. Use --resume when you have fixed the cause and do not want to wait.
    """
    settings = get_settings()
    with open_database() as database:
        if resume is not None:
            with database.write() as connection:
                known = operator_actions.resume_account(connection, resume, actor(), reason)
            if not known:
                raise click.ClickException(f"there is no account {resume!r}; renderwatch accounts lists them")
        with database.read() as connection:
            rows = read_accounts(connection, settings.target_detection_delay, settings.accounts)
    if as_json:
        print_json(rows)
        return
    console().print(_table(rows, settings.rate))


def _table(rows: Sequence[Mapping[str, Any]], rate: float) -> Table:
    headers = (
        "account",
        "API key",
        "open projects",
        "requests/s",
        "available",
        "price (s)",
        "paused until (UTC)",
        "why",
    )
    cells = [
        (
            row["name"],
            {True: "set", False: "missing", None: "unknown"}[row["has_key"]],
            row["open_projects"],
            f"{rate * row['rate_factor']:.2f}",
            int(row["tokens"]),
            f"{row['price']:.2f}",
            row["paused_until"],
            ": ".join(filter(None, (row["pause_reason"], row["pause_detail"]))),
        )
        for row in rows
    ]
    return table(headers, cells)
