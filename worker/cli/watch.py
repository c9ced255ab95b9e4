"""``renderwatch watch``: live progress of projects."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from worker.cli.context import as_kind, json_option, kind_option, open_database, refuse_ambiguous
from worker.cli.output import console, print_json_line, table, word
from worker.domain.projects.status import is_terminal
from worker.domain.scheduling.estimate import Estimate, estimate
from worker.formatting import duration, expected
from worker.store.engine import Database, clock
from worker.store.projects import operator_actions, queries
from worker.tracking.learn_durations import LearnedDurations

_EVERY: Final = 0.5
_MOST: Final = 1000
# Seconds for which learned durations are used before they are looked up again.
LEARNED_FOR: Final = 10.0
_BAR: Final = 10
_FIELDS: Final = ("kind", "project_id", "type", "status", "state", "close_reason", "credits_charged")
_WAITED_TOO_LONG: Final = 3

Rows = list[dict[str, Any]]


@click.command(short_help="Watch projects live.")
@click.argument("project_ids", nargs=-1)
@kind_option
@click.option("--until", type=click.Choice(["finished", "closed"]), default="finished", show_default=True)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds after which to give up with exit code 3.")
@json_option
def watch(project_ids: Sequence[str], kind: str | None, until: str, timeout: float | None, *, as_json: bool) -> None:
    """Watch projects until they are finished or closed; without ids, all projects that are open now.

    The exit code is 0 when all completed, 1 when one failed, was canceled or was lost, and 3 after --timeout. In a pipe
    each change is printed as one line; with --json, as one JSON object.
    """
    with open_database() as database:
        wanted = _wanted(database, kind, project_ids)
        rows = _follow(_snapshots(database, wanted, until, timeout), as_json=as_json)
    if not all(_over(row, until) for row in rows):
        raise click.exceptions.Exit(_WAITED_TOO_LONG)
    if any(row["status"] != "complete" for row in rows):
        raise click.exceptions.Exit(1)


def _wanted(database: Database, kind: str | None, project_ids: Sequence[str]) -> queries.Filter:
    refuse_ambiguous(database, kind, project_ids)
    with database.read() as connection:
        if project_ids:
            known = operator_actions.known_ids(connection, as_kind(kind), project_ids)
            unknown = [project_id for project_id in project_ids if project_id not in known]
            if unknown:
                raise click.ClickException(f"{unknown[0]} is not tracked; run: renderwatch track {unknown[0]}")
            return queries.Filter(kind=kind, project_ids=project_ids)
        open_ = queries.Filter(["active", "settling"], kind=kind)
        found = [row["project_id"] for row in queries.list_projects(connection, open_, _MOST)]
    if not found:
        raise click.ClickException("no project is open; give the ids of projects to watch")
    return queries.Filter(kind=kind, project_ids=found)


def _snapshots(database: Database, wanted: queries.Filter, until: str, timeout: float | None) -> Iterator[Rows]:
    deadline = None if timeout is None else time.monotonic() + timeout
    learned = LearnedDurations(database, LEARNED_FOR)
    while True:
        rows = snapshot(database, learned, wanted, _MOST)
        yield rows
        if all(_over(row, until) for row in rows) or (deadline is not None and time.monotonic() >= deadline):
            return
        time.sleep(_EVERY)


def snapshot(database: Database, learned: LearnedDurations, wanted: queries.Filter, most: int) -> Rows:
    """Return the latest projects, oldest first, each with its estimate and the database's time."""
    durations = learned.durations()
    with database.read() as connection:
        rows, now = queries.list_projects(connection, wanted, most), clock(connection)
    return [row | {"estimate": estimate(row, durations, now), "now": now} for row in reversed(rows)]


def _over(row: dict[str, Any], until: str) -> bool:
    return row["state"] == "closed" or (until == "finished" and is_terminal(row["status"]))


def _follow(snapshots: Iterator[Rows], *, as_json: bool) -> Rows:
    out = console()
    if as_json or not out.is_terminal:
        return _print_changes(snapshots, as_json=as_json)
    rows: Rows = []
    with Live(console=out, auto_refresh=False) as live:
        for rows in snapshots:
            live.update(progress(rows, out.height - 3), refresh=True)
    return rows


def _print_changes(snapshots: Iterator[Rows], *, as_json: bool) -> Rows:
    seen: dict[tuple[str, str], tuple[object, ...]] = {}
    rows: Rows = []
    for rows in snapshots:
        for row in rows:
            key, now = (row["kind"], row["project_id"]), tuple(row[name] for name in _FIELDS)
            if seen.get(key) == now:
                continue
            seen[key] = now
            if as_json:
                print_json_line({name: row[name] for name in _FIELDS})
            else:
                click.echo(line(row))
    return rows


def line(row: dict[str, Any]) -> str:
    """Return a project in one line."""
    how = row["close_reason"] or row["state"]
    return (
        f"{row['kind']} {row['project_id']} {row['status'] or 'not seen yet'} ({how}), {row['credits_charged']} credits"
    )


def progress(rows: Rows, height: int) -> Group:
    """Return a table of projects that fits a height, changing ones first, with a summary."""
    ordered = sorted(rows, key=lambda row: row["state"] == "closed")
    fitting = ordered[: max(height - 2, 1)]
    counts: dict[str, int] = {}
    for row in rows:
        name = row["status"] or "not seen yet"
        counts[name] = counts.get(name, 0) + 1
    words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    more = f" (showing {len(fitting)})" if len(fitting) < len(rows) else ""
    return Group(_table(fitting), Text(f"{len(rows)} projects{more}: {words}", style="dim"))


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    return table(
        ("kind", "project id", "type", "status", "state", "credits", "age", "progress", "finishes"),
        [
            (
                row["kind"],
                row["project_id"],
                row["type"],
                word(row["status"]),
                word(row["close_reason"] or row["state"]),
                row["credits_charged"],
                duration(((row["finished_at"] or row["now"]) - row["tracked_at"]).total_seconds()),
                *_expected(row["estimate"], row["now"]),
            )
            for row in rows
        ],
    )


def _expected(made: Estimate | None, now: datetime) -> tuple[Text | None, str | None]:
    if made is None:
        return None, None
    done = round(made.progress * _BAR)
    bar = Text("━" * done, style="green").append("━" * (_BAR - done), style="dim")
    return bar, expected(made.finish_at, made.earliest_at, made.latest_at, now)
