"""``renderwatch history``: the status transitions of a project."""

import click

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import console, print_json, table, word
from worker.store.projects import queries


@click.command(short_help="Show a project's status transitions.")
@click.argument("project_id")
@kind_option
@json_option
def history(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Show a project's status transitions. Each happened between `after` and `at`."""
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            rows = queries.history(connection, found, project_id)
    if as_json:
        print_json(rows)
        return
    console().print(
        table(
            ("#", "from", "to", "after (UTC)", "at (UTC)", "source"),
            [
                (
                    row["sequence"],
                    word(row["from_status"]),
                    word(row["to_status"]),
                    row["observed_after"],
                    row["observed_at"],
                    row["source"],
                )
                for row in rows
            ],
        )
    )
