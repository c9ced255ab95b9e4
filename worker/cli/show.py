"""``renderwatch show``: everything about one project."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import console, print_json, shown, signed, table, word
from worker.domain.deliveries.states import STATES
from worker.domain.scheduling.estimate import Estimate, estimate
from worker.formatting import expected
from worker.settings import get_settings
from worker.store.engine import clock
from worker.store.monitoring.schedule_report import read_timing
from worker.store.projects import queries
from worker.store.scheduling.durations import load


@click.command(short_help="Show everything about one project.")
@click.argument("project_id")
@kind_option
@json_option
def show(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Show one project: its fields, its history, its credits and its events."""
    settings = get_settings()
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            project = queries.list_projects(connection, queries.Filter(kind=found, project_ids=[project_id]), 1)[0]
            now = clock(connection)
            made = estimate(project, load(connection), now)
            history = queries.history(connection, found, project_id)
            ledger = queries.ledger(connection, found, project_id)
            events = queries.list_events(connection, found, project_id)
            next_check = read_timing(connection, found, project_id, settings.limits, settings.accounts).next_check
    if as_json:
        waits = {"waits_for": next_check.waits_for, "remedy": next_check.remedy, "estimate": made and asdict(made)}
        print_json(project | waits | {"history": history, "credits": ledger, "events": events})
        return
    waits_for = [("waits for", next_check.waits_for), ("what would change that", next_check.remedy)]
    console().print(
        Group(
            _grid([*_fields(project), *_expected(made, now), *waits_for]),
            Text("\nhistory", style="bold"),
            table(
                ("at (UTC)", "from", "to"),
                [(h["observed_at"], word(h["from_status"]), word(h["to_status"])) for h in history],
            ),
            Text("\ncredits", style="bold"),
            table(
                ("at (UTC)", "reason", "amount", "total"),
                [(e["observed_at"], e["reason"], signed(e["amount"]), e["total"]) for e in ledger],
            ),
            Text("\nevents", style="bold"),
            table(
                ("at (UTC)", "type", *STATES),
                [(e["created_at"], e["type"], *(e[state] for state in STATES)) for e in events],
            ),
        )
    )


def _grid(rows: list[tuple[str, object]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(name, style="bold"), word(value) if name in {"status", "state"} else Text(shown(value)))
    return grid


def _expected(made: Estimate | None, now: datetime) -> list[tuple[str, object]]:
    if made is None:
        return []
    when = expected(made.finish_at, made.earliest_at, made.latest_at, now)
    return [("progress", f"{made.progress:.0%}"), ("expected to finish", when)]


def _fields(project: dict[str, Any]) -> list[tuple[str, object]]:
    names = ("kind", "project_id", "account", "type", "name", "state", "close_reason", "status", "credits_charged")
    times = ("tracked_at", "started_at", "finished_at", "closed_at", "last_observed_at", "next_check_at")
    rows: list[tuple[str, object]] = [(name, project[name]) for name in (*names, *times)]
    more = ("width", "height", "fps", "start_seconds", "end_seconds", "image_count", "expected_credits", "tracked_by")
    rows += [(name, project[name]) for name in more if project[name] is not None]
    if project["error_code"] is not None or project["error_message"] is not None:
        rows.append(("error", f"{shown(project['error_code'])}: {shown(project['error_message'])}"))
    if project["last_problem"]:
        rows += [
            ("last check failed", f"{project['last_problem']}: {shown(project['last_problem_detail'])}"),
            ("the API said", project["last_problem_message"]),
            ("failed checks", f"{project['failure_count']} in a row, since {shown(project['failing_since'])}"),
        ]
    if project["odd_fields"]:
        rows.append(("odd fields", project["odd_fields"].replace(",", ", ")))
    rows += [("download", item["url"]) for item in project["downloads"]]
    rows += [(f"metadata.{key}", value) for key, value in project["metadata"].items()]
    return rows
