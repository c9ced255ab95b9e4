"""``renderwatch as-of``: what was known at a given time."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from worker.cli.context import json_option, open_database
from worker.cli.output import console, print_json, table, word
from worker.store.readers.as_of import projects_as_of


@click.command("as-of", short_help="Show what was known about projects at a given time.")
@click.argument("moment")
@click.argument("project_ids", nargs=-1, required=True)
@json_option
def as_of(moment: str, project_ids: Sequence[str], *, as_json: bool) -> None:
    """Show what was known about projects at a given time: the status and credits last observed by then.

    The time is ISO 8601, for example 2026-09-25T17:34Z; without a time zone it is UTC.
    """
    at = parse_time(moment)
    with open_database() as database, database.read() as connection:
        rows = projects_as_of(connection, at, project_ids)
    if as_json:
        print_json(rows)
    else:
        headers = ("kind", "project", "account", "status", "since (UTC)", "credits", "since (UTC)")
        cells = [[word(value) if name == "status" else value for name, value in row.items()] for row in rows]
        console().print(table(headers, cells))
    unknown = sorted(set(project_ids) - {row["project_id"] for row in rows})
    for project_id in unknown:
        click.echo(f"{project_id}: was not tracked at that time", err=True)
    if unknown:
        raise click.exceptions.Exit(1)


def parse_time(value: str) -> datetime:
    """Return an aware time. Raises BadParameter."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not an ISO 8601 time; write it like 2026-09-25T17:34Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
