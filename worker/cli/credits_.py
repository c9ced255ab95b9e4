"""``renderwatch credits``: the ledger of a project."""

import click

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import console, print_json, signed, table, word
from worker.store import queries


@click.command("credits", short_help="Show a project's credit ledger.")
@click.argument("project_id")
@kind_option
@json_option
def credits_(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Show a project's credit ledger. The amounts add up to what the project costs."""
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            rows = queries.ledger(connection, found, project_id)
    if as_json:
        print_json(rows)
        return
    console().print(
        table(
            ("#", "reason", "amount", "total", "status", "at (UTC)", "source", ""),
            [
                (
                    row["sequence"],
                    row["reason"],
                    signed(row["amount"]),
                    row["total"],
                    word(row["status"]),
                    row["observed_at"],
                    row["source"],
                    "absurd: please look" if row["flagged"] else "",
                )
                for row in rows
            ],
        )
    )
