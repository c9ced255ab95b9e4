"""``renderwatch list``: the tracked projects."""

from collections.abc import Sequence

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table, word
from worker.domain.projects.status import KINDS, STATES
from worker.store.projects import queries
from worker.store.projects.metadata_search import MetadataTerm, read_term


@click.command("list", short_help="List projects, newest first.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([*STATES, "open"]), help="open: active or settling."
)
@click.option("--status", "statuses", multiple=True, help="Magic Hour's status, such as rendering or error.")
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--account")
@click.option(
    "--stalled",
    is_flag=True,
    help="Only stalled projects: those that run unusually long, or whose checks keep failing.",
)
@click.option(
    "--metadata",
    "terms",
    multiple=True,
    metavar="KEY:VALUE",
    help="Only projects with this metadata; KEY:BEGINNING* for values that begin so. All that are given must match.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(  # noqa: PLR0913  one argument for each option
    states: Sequence[str],
    statuses: Sequence[str],
    kind: str | None,
    account: str | None,
    terms: Sequence[str],
    limit: int,
    *,
    stalled: bool,
    as_json: bool,
) -> None:
    """List projects, newest first."""
    wanted_states = [state for given in states for state in (("active", "settling") if given == "open" else (given,))]
    wanted = queries.Filter(wanted_states, statuses, account, kind, stalled=stalled, metadata=_read(terms))
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


def _read(terms: Sequence[str]) -> list[MetadataTerm]:
    read = []
    for text in terms:
        term = read_term(text)
        if term is None or "\x00" in text:
            raise click.BadParameter(f"write KEY:VALUE or KEY:BEGINNING*, not {text!r}", param_hint="--metadata")
        read.append(term)
    return read
