"""A small, fixed history with known answers: what docs/queries.md shows, and what its test asks."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, update

from worker.domain.projects.ledger import adjust
from worker.domain.projects.status import WAITING, Kind, is_terminal
from worker.store.models import (
    Account,
    BalanceSample,
    ClosedDays,
    CreditAdjustment,
    CreditDailyTotal,
    Delivery,
    Event,
    StatusTransition,
    TrackedProject,
)

# Minutes since the hand-over, status, credits. The first step is the create call, which has no status.
Step = tuple[float, str | None, int]


@dataclass
class Story:
    """One project's life."""

    kind: Kind
    type: str
    account: str
    customer: str | None
    tracked_at: str
    steps: list[Step]
    state: str = "closed"
    fields: dict[str, Any] = field(default_factory=dict)


STORIES = [
    Story(
        "video",
        "TEXT_TO_VIDEO",
        "default",
        "acme",
        "2026-09-01 10:00",
        [(0, None, 450), (1, "queued", 450), (2, "rendering", 450), (10, "complete", 300)],
    ),
    Story(
        "video",
        "TEXT_TO_VIDEO",
        "default",
        "zeta",
        "2026-09-01 11:00",
        [(0, None, 450), (1, "rendering", 450), (5, "error", 450), (6, "error", 0)],
        fields={"error_code": "render_failed", "error_message": "the render failed"},
    ),
    Story(
        "video",
        "FACE_SWAP",
        "studio",
        "acme",
        "2026-09-02 09:00",
        [(0, None, 200), (1, "rendering", 200), (4, "error", 200)],
        fields={"error_code": "no_face", "error_message": "no face was found"},
    ),
    Story("image", "AI_HEADSHOT", "default", "acme", "2026-09-02 10:00", [(0, None, 50), (1, "complete", 50)]),
    Story(
        "image",
        "AI_HEADSHOT",
        "default",
        "zeta",
        "2026-09-02 11:00",
        [(0, None, 50), (1, "queued", 50), (2, "canceled", 50), (1440, "canceled", 25)],
    ),
    Story(
        "video",
        "TEXT_TO_VIDEO",
        "studio",
        "zeta",
        "2026-10-01 08:00",
        [(0, None, 450), (1, "queued", 450), (21, "complete", 450)],
    ),
    Story(
        "audio",
        "VOICE_CLONE",
        "default",
        None,
        "2026-10-01 09:00",
        [(0, None, 10), (1, "complete", 10), (120, "complete", 12)],
    ),
    Story(
        "video",
        "LIP_SYNC",
        "default",
        "acme",
        "2026-10-02 09:00",
        [(0, None, 120), (1, "rendering", 120)],
        state="active",
        fields={"stalled_at": datetime(2026, 10, 2, 15, 0, tzinfo=UTC)},
    ),
    Story(
        "video", "LIP_SYNC", "studio", "zeta", "2026-10-02 10:00", [(0, None, 120), (1, "queued", 120)], state="active"
    ),
    Story(
        "image", "FACE_SWAP", "default", "acme", "2026-10-02 11:00", [(0, None, 30)], fields={"close_reason": "missing"}
    ),
    Story(
        "image",
        "AI_HEADSHOT",
        "default",
        "acme",
        "2026-10-02 12:00",
        [(0, None, 50), (1, "complete", 50)],
        state="settling",
    ),
    Story("image", "AI_HEADSHOT", "studio", None, "2026-10-03 09:00", [(0, None, -5), (1, "complete", -5)]),
]
_CORRECTED_AFTER = 90.0  # minutes: by then a story's project had been closed
_EVENTS = {"complete": "project.completed", "error": "project.failed", "canceled": "project.canceled"}
_DELIVERIES = {
    1: ("celery:studio.on_render?queue=studio", "sent", None),
    2: ("https://hooks.example.com/renders?token=secret", "dead", "the endpoint answered 500"),
    11: ("celery:studio.on_render?queue=studio", "pending", None),
}


def fill(connection: Connection) -> None:
    """Store the stories, book their September, and let one account pause."""
    start = datetime(2026, 9, 1, tzinfo=UTC)
    paused = {"paused_until": datetime(2100, 1, 1, tzinfo=UTC), "pause_reason": "unauthorized"}
    for name, values in (("default", {}), ("studio", paused)):
        connection.execute(insert(Account).values(name=name, tokens=0, refilled_at=start, **values))
    for number, story in enumerate(STORIES, start=1):
        _tell(connection, number, story)
    connection.execute(insert(CreditDailyTotal), _booked())
    connection.execute(update(ClosedDays).values(booked_until=date(2026, 10, 1)))
    samples = [(datetime(2026, 9, 1, tzinfo=UTC), 10_000), (datetime(2026, 10, 1, tzinfo=UTC), 9_600)]
    for at, credits_ in samples:
        connection.execute(insert(BalanceSample).values(account="default", observed_at=at, credits=credits_))


def _booked() -> list[dict[str, Any]]:
    lines = [
        ("2026-09-01", "default", "video", "TEXT_TO_VIDEO", 4, 900, -150, -450),
        ("2026-09-02", "default", "image", "AI_HEADSHOT", 2, 100, 0, 0),
        ("2026-09-02", "studio", "video", "FACE_SWAP", 1, 200, 0, 0),
        ("2026-09-03", "default", "image", "AI_HEADSHOT", 1, 0, 0, -25),
    ]
    names = ("day", "account", "kind", "type", "entries", "charged", "corrected", "refunded")
    return [dict(zip(names, (date.fromisoformat(line[0]), *line[1:]), strict=True)) for line in lines]


def _tell(connection: Connection, number: int, story: Story) -> None:
    tracked_at = datetime.fromisoformat(story.tracked_at).replace(tzinfo=UTC)
    values: dict[str, Any] = {"next_check_at": None, "closed_at": None, "close_reason": None}
    history: list[dict[str, Any]] = []
    ledger: list[dict[str, Any]] = []
    status: str | None = None
    total: int | None = None
    before: datetime | None = None
    for minutes, seen, credits_ in story.steps:
        at = tracked_at + timedelta(minutes=minutes)
        observed = {"tracked_project_id": number, "observed_at": at, "observed_after": before}
        source = "create" if seen is None else "settle" if is_terminal(status) else "poll"
        if seen is not None and seen != status:
            history.append(
                {**observed, "sequence": len(history) + 1, "from_status": status, "to_status": seen, "source": source}
            )
            values |= _times(seen, at, values)
        entry = adjust(
            total, credits_, kind=story.kind, status=seen, closed=minutes >= _CORRECTED_AFTER and seen == "complete"
        )
        if entry:
            ledger.append(
                {
                    **observed,
                    "sequence": len(ledger) + 1,
                    "reason": entry.reason,
                    "amount": entry.amount,
                    "total": entry.total,
                    "status": seen,
                    "source": source,
                    "flagged": entry.flagged,
                    "corrects": len(ledger) if entry.reason == "correction" else None,
                }
            )
        status, total, before = seen or status, credits_, at
    end = tracked_at + timedelta(minutes=story.steps[-1][0] + 75)
    values |= {"closed_at": end, "close_reason": "settled"} if story.state == "closed" else {"next_check_at": end}
    connection.execute(insert(TrackedProject).values(
        id=number, kind=story.kind, project_id=f"project-{number:02}", account=story.account, type=story.type,
        name=f"Render {number}", state=story.state, status=status, credits_charged=total, tracked_at=tracked_at,
        opened_at=tracked_at, created_at=tracked_at, last_observed_at=before if status else None,
        caller_metadata={"customer": story.customer} if story.customer else {},
        downloads=_downloads(number, status), check_count=len(story.steps) - 1,
        transition_count=len(history), adjustment_count=len(ledger), event_count=int(is_terminal(status)),
        **{**values, **story.fields}))  # fmt: skip
    for table, rows in ((StatusTransition, history), (CreditAdjustment, ledger)):
        if rows:
            connection.execute(insert(table), rows)
    _news(connection, number, status, values)


def _times(status: str, at: datetime, values: dict[str, Any]) -> dict[str, Any]:
    if status in WAITING:
        return {"queued_at": at}
    if status == "rendering":
        return {"started_at": at}
    return (
        {"finished_at": at, "checks_until_finished": 3} if is_terminal(status) and "finished_at" not in values else {}
    )


def _downloads(number: int, status: str | None) -> list[dict[str, str]]:
    if status != "complete":
        return []
    return [{"url": f"https://files.example.com/{number}.bin?signature=secret", "expires_at": "2026-10-04T00:00:00Z"}]


def _news(connection: Connection, number: int, status: str | None, values: dict[str, Any]) -> None:
    if status not in _EVENTS:
        return
    event, at = f"00000000-0000-7000-8000-{number:012}", values["finished_at"]
    connection.execute(insert(Event).values(
        id=event, tracked_project_id=number, sequence=1, type=_EVENTS[status], dedup_key="finished", payload={},
        created_at=at, feed_position=number))  # fmt: skip
    if number in _DELIVERIES:
        destination, state, error = _DELIVERIES[number]
        connection.execute(insert(Delivery).values(
            event_id=event, destination=destination, state=state, attempts=1, next_attempt_at=at, created_at=at,
            sent_at=at if state == "sent" else None, last_error=error))  # fmt: skip
