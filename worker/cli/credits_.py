"""``renderwatch credits``: a project's ledger, and spend reports."""

from typing import Final

import click

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.credits_report import report
from worker.cli.output import console, print_json, signed, table, word
from worker.store.projects import queries

_PROJECT: Final = "project"


class _ProjectByDefault(click.Group):
    """``credits ID`` means ``credits project ID``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first and first not in self.commands and first not in ctx.help_option_names:
            args = [_PROJECT, *args]
        return super().parse_args(ctx, args)


@click.group("credits", cls=_ProjectByDefault, short_help="Show a project's credit ledger, or a spend report.")
def credits_() -> None:
    """Show a project's credit ledger (`credits ID`), or a spend report (`credits report`); --json prints JSON."""


@credits_.command(_PROJECT, short_help="Show a project's credit ledger.")
@click.argument("project_id")
@kind_option
@json_option
def project(project_id: str, kind: str | None, *, as_json: bool) -> None:
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
                    "out of bounds: please check" if row["flagged"] else "",
                )
                for row in rows
            ],
        )
    )


credits_.add_command(report)
