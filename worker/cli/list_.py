"""``renderwatch list``: which projects there are."""

from collections.abc import Sequence

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table, word
from worker.domain.status import KINDS, STATES
from worker.store import queries


@click.command("list", short_help="List projects, the latest first.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([*STATES, "open"]), help="open: active or settling."
)
@click.option("--status", "statuses", multiple=True, help="As Magic Hour says it, such as rendering or error.")
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--account")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(
    states: Sequence[str], statuses: Sequence[str], kind: str | None, account: str | None, limit: int, *, as_json: bool
) -> None:
    """List projects, the latest first."""
    wanted_states = [state for given in states for state in (("active", "settling") if given == "open" else (given,))]
    wanted = queries.Filter(wanted_states, statuses, account, kind)
    with open_database() as database, database.read() as connection:
        rows = queries.list_projects(connection, wanted, limit)
        total = queries.count_projects(connection, wanted)
    if as_json:
        print_json(rows)
        return
    console().print(
        table(
            ("kind", "project id", "type", "status", "state", "reason", "credits", "tracked (UTC)", "next check (UTC)"),
            [
                (
                    row["kind"],
                    row["project_id"],
                    row["type"],
                    word(row["status"]),
                    word(row["state"]),
                    row["close_reason"],
                    row["credits_charged"],
                    row["tracked_at"],
                    row["next_check_at"],
                )
                for row in rows
            ],
        )
    )
    if total > len(rows):
        click.echo(f"{len(rows)} of {total}; --limit shows more", err=True)
