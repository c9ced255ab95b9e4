"""``renderwatch show``: everything about one project."""

from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import console, print_json, shown, signed, table, word
from worker.store import queries


@click.command(short_help="Show everything about one project.")
@click.argument("project_id")
@kind_option
@json_option
def show(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Show one project: its fields, its history, its credits and its events."""
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            project = queries.list_projects(connection, queries.Filter(kind=found, project_ids=[project_id]), 1)[0]
            history = queries.history(connection, found, project_id)
            ledger = queries.ledger(connection, found, project_id)
            events = queries.news(connection, found, project_id)
    if as_json:
        print_json(project | {"history": history, "credits": ledger, "events": events})
        return
    console().print(
        Group(
            _grid(_fields(project)),
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
                ("at (UTC)", "type", "pending", "sent", "dead"),
                [(e["created_at"], e["type"], e["pending"], e["sent"], e["dead"]) for e in events],
            ),
        )
    )


def _grid(rows: list[tuple[str, object]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(name, style="bold"), word(value) if name in {"status", "state"} else Text(shown(value)))
    return grid


def _fields(project: dict[str, Any]) -> list[tuple[str, object]]:
    names = ("kind", "project_id", "account", "type", "name", "state", "close_reason", "status", "credits_charged")
    times = ("tracked_at", "started_at", "finished_at", "closed_at", "last_observed_at", "next_check_at")
    rows: list[tuple[str, object]] = [(name, project[name]) for name in (*names, *times)]
    if project["error_code"] is not None:
        rows.append(("error", f"{shown(project['error_code'])}: {shown(project['error_message'])}"))
    if project["last_problem"]:
        rows.append(("last problem", f"{project['last_problem']}, {project['failure_count']} in a row"))
    rows += [("download", item["url"]) for item in project["downloads"]]
    rows += [(f"metadata.{key}", value) for key, value in project["metadata"].items()]
    return rows
