"""``renderwatch deliveries``: find deliveries, and send them again."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from worker.cli.context import actor, json_option, open_database
from worker.cli.output import console, print_json, table
from worker.domain.deliveries.destination import DestinationError, normal_form
from worker.domain.deliveries.shown_destination import shown_destination
from worker.domain.deliveries.states import STATES
from worker.domain.projects.events import EVENT_TYPES
from worker.domain.projects.status import KINDS
from worker.formatting import counted
from worker.store.deliveries.delivery_filter import DeliveryFilter, resolve
from worker.store.deliveries.replays import count_deliveries, find_deliveries
from worker.tracking.replay_deliveries import replay_matching

_F = TypeVar("_F", bound=Callable[..., object])
_TIME: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
_OPTIONS: Final = (
    click.option("--event", "event_id", help="Only this event, by its id."),
    click.option("--kind", type=click.Choice(KINDS), help="Only projects of this kind."),
    click.option("--project", "project_id", help="Only this project."),
    click.option("--destination", help="Only this destination."),
    click.option("--type", "event_type", type=click.Choice(EVENT_TYPES), help="Only events of this type."),
    click.option("--state", type=click.Choice(STATES), help="Only deliveries in this state."),
    click.option("--since", type=_TIME, help="Only events recorded then or later, UTC."),
    click.option("--until", type=_TIME, help="Only events recorded before, UTC."),
)


def _filters(command: _F) -> _F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(short_help="Find deliveries, and send them again.")
def deliveries() -> None:
    """Find deliveries of events, and send them again."""


@deliveries.command("list", short_help="List deliveries, newest first.")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def list_(limit: int, *, as_json: bool, **filters: Any) -> None:  # noqa: ANN401  those above
    """List deliveries, newest first, with their numbers."""
    with open_database() as database, database.read() as connection:
        rows = find_deliveries(connection, resolve(connection, _wanted(filters)), limit)
    if as_json:
        print_json(rows)
        return
    names = ("id", "created_at", "event_type", "project_id", "destination", "state", "attempts")
    headers = ("number", "recorded at (UTC)", "event", "project", "destination", "state", "attempts", "last error")
    for row in rows:
        row["destination"] = shown_destination(row["destination"])
    console().print(table(headers, [[*(row[name] for name in names), _error(row)] for row in rows]))


@deliveries.command(short_help="Send all deliveries that match again.")
@_filters
@click.option("--to", help="Send their events to this destination instead.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--reason", help="The reason, recorded with your name.")
def replay(to: str | None, reason: str | None, *, yes: bool, **filters: Any) -> None:  # noqa: ANN401  those above
    """Send deliveries again, exactly as they were stored, with the same event ids.

    \b
    renderwatch deliveries replay --destination celery:studio.on_render --since 2026-11-27
    renderwatch deliveries replay --state dead --type project.settled --to celery:billing.repair --yes
    """
    wanted = _wanted(filters)
    if wanted == DeliveryFilter():
        raise click.UsageError("say which deliveries, for example --state dead")
    try:
        destination = None if to is None else normal_form(to)
    except DestinationError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    with open_database() as database:
        with database.read() as connection:
            wanted = resolve(connection, wanted)
            count, last = count_deliveries(connection, wanted)
        if count and not yes:
            elsewhere = f" to {shown_destination(destination)}" if destination else ""
            click.confirm(f"{count:,} deliveries match. Send them again{elsewhere}?", abort=True)
        done = replay_matching(database, wanted, last=last, actor=actor(), reason=reason, destination=destination)
    click.echo(f"{counted(done.count, 'delivery', 'deliveries')} will be sent again in the next sweep")


def _error(row: dict[str, Any]) -> str | None:
    if row["held_until"] is None:
        return row["last_error"] and str(row["last_error"])
    return f"destination held off until {row['held_until']:%H:%M:%S} UTC: {row['held_because'] or 'no answer'}"


def _wanted(filters: dict[str, Any]) -> DeliveryFilter:
    times = {name: value.replace(tzinfo=UTC) for name, value in filters.items() if isinstance(value, datetime)}
    return DeliveryFilter(**(filters | times))
