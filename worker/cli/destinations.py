"""``renderwatch destinations``: how each destination does, and pausing and resuming one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, shown, table
from worker.domain.deliveries.destination import routed_destinations
from worker.domain.deliveries.shown_destination import shown_destination
from worker.settings import get_settings
from worker.store.deliveries.destination_names import find_destination
from worker.store.deliveries.destination_report import read_destinations
from worker.store.deliveries.pauses import pause_destination, resume_destination


@click.group(short_help="Show how destinations do, and pause and resume them.")
def destinations() -> None:
    """Show how destinations do, and pause and resume them."""


@destinations.command("list", short_help="Show how each destination does.")
@json_option
def list_(*, as_json: bool) -> None:
    """Show how each destination does: paused and failing ones first, at most 200.

    Delivered is the share of the events of 24 hours that were tried. Of a URL only the host is shown, because its path
    may hold a token; --json has the whole URL. Both forms name a destination in other commands.
    """
    with open_database() as database, database.read() as connection:
        rows = read_destinations(connection, routed_destinations(get_settings().routes))
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("there is no destination: RENDERWATCH_ROUTES names none, and no event has gone anywhere")
    else:
        console().print(_table(rows))


@destinations.command(short_help="Send nothing to a destination until it is resumed.")
@click.argument("destination")
@click.option("--reason", help="The reason, recorded with your name.")
def pause(destination: str, reason: str | None) -> None:
    """Send nothing to a destination until it is resumed. Events wait, and none is given up meanwhile.

    \b
    renderwatch destinations pause 'celery:studio.on_render?queue=studio' --reason 'their database is being moved'
    """
    _act(pause_destination, destination, reason, "paused; its events wait until renderwatch destinations resume")


@destinations.command(short_help="Send what waits for a paused destination.")
@click.argument("destination")
@click.option("--reason", help="The reason, recorded with your name.")
def resume(destination: str, reason: str | None) -> None:
    """Send what waits for a paused destination, with the next sweep."""
    _act(resume_destination, destination, reason, "resumed; what waits is sent with the next sweep")


def _act(act: Callable[..., bool], destination: str, reason: str | None, done: str) -> None:
    with open_database() as database, database.write() as connection:
        name = find_destination(connection, destination, routed_destinations(get_settings().routes))
        if name is None:
            raise click.ClickException(
                f"there is no destination {shown_destination(destination)!r}; renderwatch destinations list shows them"
            )
        changed = act(connection, name, actor(), reason)
    otherwise = "was paused already" if act is pause_destination else "was not paused"
    click.echo(f"{shown_destination(name)}: {done if changed else otherwise}")


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headers = ("destination", "state", "delivered", "waiting", "oldest (UTC)", "last attempt (UTC)", "answer", "why")
    cells = [
        (
            row["shown"],
            "paused"
            if row["paused"]
            else "failing"
            if row["open_until"]
            else "ok"
            if row["attempted_at"]
            else "unused",
            "-" if row["success_rate"] is None else f"{row['success_rate']:.1%}",
            row["waiting"] + row["unconfirmed"],
            row["oldest_waiting_at"],
            row["attempted_at"],
            _answer(row),
            _why(row),
        )
        for row in rows
    ]
    return table(headers, cells)


def _answer(row: Mapping[str, Any]) -> str:
    """Return the status and the latency of the last answer, for a URL."""
    if row["last_seconds"] is None:
        return "-"
    return f"{row['last_status'] or 'none'}, {row['last_seconds']:.2f} s"


def _why(row: Mapping[str, Any]) -> str:
    if row["paused"]:
        reason = f": {row['pause_reason']}" if row["pause_reason"] else ""
        return f"by {row['paused_by'] or 'somebody'} at {shown(row['paused_at'])}{reason}"
    if row["open_until"]:
        return f"next attempt {shown(row['open_until'])}: {row['last_error']}"
    return row["last_error"] or "-"
