"""``renderwatch explain``: why a project is checked when it is."""

from collections.abc import Iterator
from datetime import datetime

import click

from worker.cli.context import json_option, kind_option, open_database, the_kind
from worker.cli.output import duration, print_json, shown
from worker.domain.durations import PUBLISHED
from worker.domain.schedule import render_age
from worker.domain.status import WAITING
from worker.settings import Settings, get_settings
from worker.store.durations import load
from worker.store.engine import clock
from worker.store.timing import Timing, read_timing


@click.command(short_help="Explain when a project is checked next, and why.")
@click.argument("project_id")
@kind_option
@json_option
def explain(project_id: str, kind: str | None, *, as_json: bool) -> None:
    """Explain when a project is checked next: what is known of its type, its age, the odds and the price."""
    settings = get_settings()
    with open_database() as database:
        found = the_kind(database, kind, project_id)
        with database.read() as connection:
            timing = read_timing(connection, found, project_id, settings.target_detection_delay)
            durations, now = load(connection), clock(connection)
    project = timing.project
    hazard, source = durations.known(project.kind, project.type)
    seen_at = project.last_observed_at or project.opened_at
    age, gap = render_age(project, seen_at), timing.last_check_gap
    odds = hazard.odds(age, gap) if gap is not None and project.state == "active" else None
    if as_json:
        print_json(
            {
                "project_id": project_id,
                "state": project.state,
                "status": project.status,
                "next_check_at": timing.next_check_at,
                "waits_for": _waits_for(timing, now),
                "durations": source,
                "learned_from": timing.learned_from,
                "age_seconds": age,
                "gap_seconds": gap,
                "odds": odds,
                "price": timing.price,
            }
        )
        return
    for line in _lines(timing, settings, now, source):
        click.echo(line)
    if odds is not None and gap is not None:
        click.echo(f"planned gap: {gap:.1f} s, after which it has ended with a chance of {odds / (1 + odds):.0%}")


def _lines(timing: Timing, settings: Settings, now: datetime, source: str) -> Iterator[str]:
    project = timing.project
    yield f"{project.kind} {project.project_id}: {project.status or 'not seen yet'} ({project.state})"
    yield f"next check: {_when(timing.next_check_at, now)}; waits for: {_waits_for(timing, now)}"
    if project.state != "active":
        return
    if project.status in WAITING or project.status is None:
        yield "age: 0, for it has not begun to render"
    else:
        since = "it was last seen to wait" if project.queued_at else "it was handed over"
        yield f"age: {duration(render_age(project, now))}, since {since}"
    yield f"durations: {_known(timing, source, now)}"
    target = settings.target_detection_delay
    yield f"price: one request is worth {timing.price:.2f} s of delay, steered to a mean delay of {target:g} s"


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = (at - now).total_seconds()
    return f"in {seconds:.1f} s" if seconds > 0 else f"due for {-seconds:.1f} s"


def _waits_for(timing: Timing, now: datetime) -> str:
    project = timing.project
    if project.state == "closed" and timing.next_check_at is None:
        return f"nothing, it is closed ({project.close_reason})"
    if timing.leased_until is not None and timing.leased_until > now:
        return "an answer, it is being checked"
    if timing.paused_until is not None:
        return f"its account, which is paused ({timing.pause_reason})"
    if project.failure_count:
        return f"its back-off to end after {project.failure_count} failed checks ({project.last_problem})"
    if timing.next_check_at is not None and timing.next_check_at <= now:
        return "a dispatch with room in the rate limit"
    return "its credits to settle" if project.state == "settling" else "its time"


def _known(timing: Timing, source: str, now: datetime) -> str:
    project = timing.project
    if source == "learned" and timing.learned_at:
        ago = duration((now - timing.learned_at).total_seconds())
        return f"learned from {timing.learned_from} renders of {shown(project.type)}, {ago} ago"
    if source == "published":
        median = PUBLISHED[project.kind, project.type or ""]
        return f"the published median of {shown(project.type)}, {median:g} s, for none has finished here yet"
    if source == "kind":
        return f"those of all {project.kind} projects, for no {shown(project.type)} has finished here yet"
    return "nothing is known yet, so the gap grows with the age"
