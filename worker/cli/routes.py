"""``renderwatch routes``: where events go."""

from collections.abc import Sequence

import click
from rich.table import Table

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import console, print_json, table
from worker.domain.deliveries.route_check import RouteCheck, check_routes
from worker.domain.deliveries.route_rule import Subject
from worker.domain.projects.events import EVENT_TYPES, EventType
from worker.settings import get_settings
from worker.store.projects import queries


@click.group(short_help="Say where events go, and why.")
def routes() -> None:
    """Say where events go, and why."""


@routes.command(short_help="Say where an event would go, and why not elsewhere.")
@click.argument("project_id", required=False)
@kind_option
@click.option(
    "--event", "event_types", multiple=True, type=click.Choice(EVENT_TYPES), help="May be given several times."
)
@json_option
def test(project_id: str | None, kind: str | None, event_types: Sequence[EventType], *, as_json: bool) -> None:
    """Show where events would go, for one project (including its notify) or for projects in general.

    \b
    renderwatch routes test --event project.completed
    renderwatch routes test cmb1xk2v80000l70cf3q9d2ab

    Where a route has filters and no project is named, its line says what the project must be like.
    RENDERWATCH_ROUTES is read here, so run this where the workers have their settings from. Nothing is sent; that
    is what renderwatch trigger does.
    """
    if project_id is None and not event_types:
        raise click.UsageError("name a project, or an event type with --event")
    subject, notify = _project(kind, project_id) if project_id else (None, {})
    checks = [
        check
        for event_type in event_types or EVENT_TYPES
        for check in check_routes(event_type, get_settings().routes, notify, subject)
    ]
    if as_json:
        print_json([_json(check) for check in checks])
    elif not checks:
        click.echo(
            "nowhere: RENDERWATCH_ROUTES names no destination in the settings of this terminal"
            + (", and the project was tracked without notify" if project_id else "")
            + ". Events are stored all the same; renderwatch listen shows them"
        )
    else:
        console().print(_table(checks))


def _table(checks: Sequence[RouteCheck]) -> Table:
    cells = [
        (
            one.event_type,
            "" if one.goes is False else one.destination,
            one.destination if one.goes is False else "",
            one.because,
        )
        for one in checks
    ]
    return table(("event", "goes to", "does not go to", "because"), cells)


def _project(kind: str | None, project_id: str) -> tuple[Subject, dict[str, list[str]]]:
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            row = queries.read_project(connection, found, project_id)
    if row is None:
        raise click.ClickException(f"{found} {project_id} is not tracked; run: renderwatch track")
    return Subject(row["kind"], row["account"], row["type"], row["metadata"]), row["notify"]


def _json(check: RouteCheck) -> dict[str, object]:
    return {
        "event": check.event_type,
        "destination": check.destination,
        "goes": check.goes,
        "because": check.because,
    }
