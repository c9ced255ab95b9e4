"""The page of one project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.responses import Response

from worker.domain.projects.status import Kind, is_terminal
from worker.domain.scheduling.estimate import estimate
from worker.store.deliveries.event_stream import read_payloads
from worker.store.deliveries.queries import deliveries_of
from worker.store.engine import clock
from worker.store.monitoring import audit_log
from worker.store.monitoring.schedule_report import read_timing
from worker.store.projects import queries
from worker.web.render import TheViewer

router = APIRouter(include_in_schema=False)
_MOST_DELIVERIES = 500


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the timeline, in percent: a status, or the interval in which it changed."""

    x: float
    width: float
    css: str
    says: str
    becomes: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the timeline shows: start and end, the phases, and marks for events."""

    start: datetime
    end: datetime
    stretches: Sequence[Stretch]
    marks: Sequence[Stretch]


@router.get("/projects/{kind}/{project_id}")
def show_project(viewer: TheViewer, kind: Kind, project_id: Annotated[str, Path(max_length=64)]) -> Response:
    """Show everything about a project."""
    database, settings = viewer.web.database, viewer.web.settings
    with database.read() as connection:
        project = queries.read_project(connection, kind, project_id)
        if project is None:
            raise HTTPException(404, f"{kind} {project_id} is not tracked")
        history = queries.history(connection, kind, project_id)
        events = queries.list_events(connection, kind, project_id)
        deliveries = deliveries_of(connection, kind, project_id)[:_MOST_DELIVERIES]
        payloads = {each["id"]: each for each in read_payloads(connection, [event["id"] for event in events])}
        timing = read_timing(connection, kind, project_id, settings.limits, settings.accounts)
        ledger = queries.ledger(connection, kind, project_id)
        now = clock(connection)
        actions = audit_log.list_actions(connection, project=(kind, project_id), limit=20)
    return viewer.page(
        "project.html",
        project=project,
        history=history,
        ledger=ledger,
        events=events,
        payloads=payloads,
        deliveries=deliveries,
        timing=timing,
        estimate=estimate(project, viewer.web.learned.durations(), now),
        actions=actions,
        timeline=timeline(project, history, events, viewer.health().now),
        title=project["name"] or project_id,
    )


def timeline(
    project: Mapping[str, Any], history: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], now: datetime
) -> Timeline | None:
    """Return the timeline of a render, from when it was tracked to a little after its end."""
    if not history:
        return None
    start = min(project["tracked_at"], history[0]["observed_at"])
    last = history[-1]["observed_at"] if is_terminal(history[-1]["to_status"]) else now
    length = max(1.0, (last - start).total_seconds()) * (1.08 if is_terminal(history[-1]["to_status"]) else 1.0)

    def place(moment: datetime) -> float:
        share: float = 100 * (moment - start).total_seconds() / length
        return round(min(100.0, max(0.0, share)), 2)

    end = datetime.fromtimestamp(start.timestamp() + length, start.tzinfo)
    stretches = []
    for number, each in enumerate(history):
        until = history[number + 1]["observed_after"] if number + 1 < len(history) else end
        until = max(until or each["observed_at"], each["observed_at"])
        if each["observed_after"] and each["observed_after"] < each["observed_at"]:
            says = f"between these times {each['from_status']} became {each['to_status']}"
            x = place(each["observed_after"])
            before, after = f"t-{css(each['from_status'])}", f"t-{css(each['to_status'])}"
            stretches.append(Stretch(x, round(place(each["observed_at"]) - x, 2), before, says, after))
        x = place(each["observed_at"])
        stretches.append(
            Stretch(x, round(max(0.4, place(until) - x), 2), f"t-{css(each['to_status'])}", each["to_status"])
        )
    marks = [Stretch(place(event["created_at"]), 0.0, "mark", event["type"]) for event in events]
    return Timeline(start, end, stretches, [mark for mark in marks if mark.x < 100])  # noqa: PLR2004  per cent


def css(status: str | None) -> str:
    """Return the CSS class of a status; an unknown one looks like a running one."""
    known = ("draft", "queued", "rendering", "complete", "error", "canceled")
    return status if status in known else "unknown"
