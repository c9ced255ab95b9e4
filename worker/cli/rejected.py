"""``renderwatch rejected``: list, retry and clear rejected tracking requests."""

from collections.abc import Sequence
from typing import Final

import click

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, table
from worker.settings import get_settings
from worker.store.intake.rejections import count_rejections, delete_rejections, list_rejections
from worker.store.projects.operator_actions import note
from worker.tracking.intake.retry_rejected import RetryError, retry_rejected

_SHOWN: Final = 80
_NUMBERS = click.argument("numbers", nargs=-1, type=click.IntRange(1, 2**63 - 1))


@click.group(short_help="List, retry and clear rejected tracking requests.")
def rejected() -> None:
    """List, retry and clear tracking requests that arrived by message and were rejected."""


@rejected.command("list", short_help="List rejected requests, newest first.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", type=click.IntRange(1, 2**63 - 1), help="Only those with a smaller number.")
@json_option
def list_(limit: int, before: int | None, *, as_json: bool) -> None:
    """List rejected requests with their numbers and reasons. --json prints them in full."""
    with open_database() as database, database.read() as connection:
        rows = list_rejections(connection, limit, before)
        count = count_rejections(connection)
    if as_json:
        print_json(rows)
        return
    headers = ("number", "rejected at (UTC)", "reason", "request")
    lines = [(row["id"], row["rejected_at"], row["reason"], _short(row["request"])) for row in rows]
    console().print(table(headers, lines))
    if count > len(rows):
        click.echo(f"{len(rows)} of {count}; see --limit and --before", err=True)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


@rejected.command(short_help="Retry rejected requests, unchanged or corrected.")
@_NUMBERS
@click.option("--all", "everything", is_flag=True, help="The latest 1,000.")
@click.option("--request", help='The corrected request, as JSON: {"kind": "video", "project_id": "…"}.')
def retry(numbers: Sequence[int], request: str | None, *, everything: bool) -> None:
    """Retry rejected requests, by number or all of them. Those that are accepted leave the list.

    \b
    renderwatch rejected retry 12
    renderwatch rejected retry 12 --request '{"kind": "video", "project_id": "cmb1xk2v80000l70cf3q9d2ab"}'
    renderwatch rejected retry --all
    """
    if bool(numbers) == everything or (request is not None and len(numbers) != 1):
        raise click.UsageError("give the numbers of requests, or --all; --request needs exactly one number")
    failed = False
    with open_database() as database:
        if everything:
            with database.read() as connection:
                numbers = [row["id"] for row in list_rejections(connection, 1000)]
        for number in numbers:
            try:
                taken = retry_rejected(database, get_settings(), number, request, actor())
            except RetryError as error:
                click.echo(f"{number}: {error}; pass the whole request, corrected, with --request", err=True)
                failed = True
                continue
            if taken is None:
                click.echo(
                    f"{number}: there is no rejected request with this number; renderwatch rejected list shows them",
                    err=True,
                )
                failed = True
                continue
            for one in taken.rejected:
                click.echo(f"{number}: still rejected: {one.reason}", err=True)
            failed = failed or bool(taken.rejected)
            if count := taken.new + taken.known + taken.reopened:
                click.echo(f"{number}: {count} tracked")
    if failed:
        raise click.exceptions.Exit(1)


@rejected.command(short_help="Delete rejected requests.")
@_NUMBERS
@click.option("--all", "everything", is_flag=True, help="All rejected requests.")
@click.option("--reason", help="The reason, recorded with your name.")
def clear(numbers: Sequence[int], reason: str | None, *, everything: bool) -> None:
    """Delete rejected requests, by number or all of them."""
    if bool(numbers) == everything:
        raise click.UsageError("give the numbers of requests, or --all")
    with open_database() as database, database.write() as connection:
        gone = delete_rejections(connection, None if everything else numbers)
        if gone:
            note(connection, "clear rejected requests", [None], actor(), reason)
    click.echo(f"{gone} deleted")
