"""``renderwatch explain``: when a project is checked next, and why."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import click

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import print_json, shown
from worker.domain.projects.events import failure_reason
from worker.domain.projects.project import Project
from worker.domain.projects.status import WAITING
from worker.domain.scheduling.durations import PUBLISHED
from worker.domain.scheduling.schedule import price_of, render_age, render_start
from worker.formatting import counted, duration
from worker.settings import Settings, get_settings
from worker.store.engine import clock
from worker.store.monitoring.schedule_report import Timing, read_timing
from worker.store.scheduling.durations import load


@click.command(short_help="Explain when a project is checked next, and why.")
@click.argument("project_id")
@kind_option
@json_option
def explain(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Explain when a project is checked next and why, by the durations of its type, its age, the odds and the price."""
    settings = get_settings()
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            timing = read_timing(connection, found, project_id, settings.limits, settings.accounts)
            durations, now = load(connection), clock(connection)
    project = timing.project
    hazard, source = durations.known(project.kind, project.type)
    seen_at = project.last_observed_at or project.opened_at
    price = price_of(replace(settings.plan, price=timing.price), hazard)
    age, gap = render_age(project, seen_at), timing.last_check_gap
    odds = hazard.odds(age, gap) if gap is not None and project.state == "active" else None
    if as_json:
        print_json(
            {
                "project_id": project_id,
                "state": project.state,
                "status": project.status,
                "next_check_at": timing.next_check.at,
                "waits_for": timing.next_check.waits_for,
                "reasons": [reason.code for reason in timing.next_check.reasons],
                "remedy": timing.next_check.remedy,
                "problem": failure_reason(project),
                "odd_fields": project.odd_fields.split(",") if project.odd_fields else [],
                "durations": source,
                "learned_from": timing.learned_from,
                "age_seconds": age,
                "gap_seconds": gap,
                "odds": odds,
                "price": price,
            }
        )
        return
    for line in _lines(timing, settings, now, source, price):
        click.echo(line)
    if odds is not None and gap is not None:
        click.echo(f"planned gap: {gap:.1f} s, {odds / (1 + odds):.0%} chance that it has ended by then")


def _lines(timing: Timing, settings: Settings, now: datetime, source: str, price: float) -> Iterator[str]:
    project = timing.project
    yield f"{project.kind} {project.project_id}: {project.status or 'not seen yet'} ({project.state})"
    next_check = timing.next_check
    yield f"next check: {_when(next_check.at, now)}; waits for: {shown(next_check.waits_for)}"
    yield f"what would change that: {next_check.remedy}"
    if project.last_problem:
        yield f"last check failed: {project.last_problem}: {shown(project.last_problem_detail)}"
        if project.last_problem_message:
            yield f"the API said: {shown(project.last_problem_message)}"
    if project.odd_fields:
        yield f"odd fields in the last response: {project.odd_fields.replace(',', ', ')}"
    if project.state != "active":
        return
    if project.status in WAITING or project.status is None:
        yield "age: 0, because it has not started rendering"
    else:
        yield f"age: {duration(render_age(project, now))}, since {_render_start(project)}"
    yield f"durations: {_known(timing, source, now)}"
    target = settings.target_detection_delay
    yield f"price: one request is worth {price:.2f} s of delay, steered to a mean delay of {target:g} s"


def _render_start(project: Project) -> str:
    if project.queued_at:
        return "it was last seen in the queue"
    start = render_start(project.queued_at, project.opened_at, project.created_at)
    return "it was created at Magic Hour" if start == project.created_at else "it was tracked"


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = (at - now).total_seconds()
    return f"in {seconds:.1f} s" if seconds > 0 else f"due for {-seconds:.1f} s"


def _known(timing: Timing, source: str, now: datetime) -> str:
    project = timing.project
    if source == "learned" and timing.learned_at:
        ago = duration((now - timing.learned_at).total_seconds())
        return f"learned from {counted(timing.learned_from or 0, 'render')} of {shown(project.type)}, {ago} ago"
    if source == "published":
        median = PUBLISHED[project.kind, project.type or ""]
        return f"the published median of {shown(project.type)}, {median:g} s, because none has finished here yet"
    if source == "kind":
        return f"those of all {project.kind} projects, because no {shown(project.type)} has finished here yet"
    return "nothing is known yet, so the gap grows with the age"
