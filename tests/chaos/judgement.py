"""What a chaos run came to: the stored history, ledger and news, held against what really happened."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from tests.celery.world import Received, Store, is_subsequence
from tests.chaos.windows import excess
from tests.chaos.world import Wiped, World
from worker.store.monitoring.invariants import violations

# From sending to the arrival at the reader, on a busy machine; a broker may lose what is in between.
_ON_ITS_WAY: Final = 15.0
ENDS: Final = {"complete": "project.completed", "error": "project.failed", "canceled": "project.canceled"}
PROJECTS: Final = """
    SELECT p.project_id, p.state, p.close_reason, p.status, p.credits_charged, p.last_problem, p.check_count,
      (SELECT coalesce(sum(a.amount), 0) FROM credit_adjustments a WHERE a.tracked_project_id = p.id) AS ledger
    FROM tracked_projects p
"""
HISTORY: Final = """
    SELECT p.project_id, t.to_status FROM status_transitions t JOIN tracked_projects p ON p.id = t.tracked_project_id
    ORDER BY t.tracked_project_id, t.sequence
"""
EVENTS: Final = """
    SELECT e.id, p.project_id, e.type, e.sequence, d.state, d.sent_at FROM events e
    JOIN tracked_projects p ON p.id = e.tracked_project_id LEFT JOIN deliveries d ON d.event_id = e.id
"""


def judge(world: World, handed: set[str], calls: Sequence[Received], rate: float, burst: int) -> dict[str, list[str]]:
    """Return, for each promise, what breaks it: nothing at all in a good run."""
    truth = {record["id"]: record for record in world.simulator.record()}
    every = {row["project_id"]: row for row in world.store.rows(PROJECTS)}
    rows = {id_: row for id_, row in every.items() if id_ not in world.refused}
    histories = _histories(world.store)
    events = world.store.rows(EVENTS)
    with world.store.database.read() as connection:
        invariants = {name: count for name, count in violations(connection).items() if count}
    return {
        "lost": [id_ for id_ in handed if id_ not in rows or rows[id_]["close_reason"] != "settled"],
        "poison that was tracked": [id_ for id_ in rows if id_ not in truth],
        "refused for ever, without its reason": [
            f"{id_}: {every[id_]['last_problem']}"
            for id_ in world.refused
            if every[id_]["check_count"] and every[id_]["last_problem"] is None
        ],
        "wrong endings": [id_ for id_, row in rows.items() if row["status"] != truth[id_]["final"]["status"]],
        "duplicate transitions": [
            f"{id_}: stored {seen}, really {_real(truth[id_])}"
            for id_, seen in histories.items()
            if not is_subsequence(seen, _real(truth[id_]))
        ],
        "ledger mismatches": [
            f"{id_}: {row['ledger']}, {row['credits_charged']}, really {truth[id_]['final']['credits_charged']}"
            for id_, row in rows.items()
            if not row["ledger"] == row["credits_charged"] == truth[id_]["final"]["credits_charged"]
        ],
        "duplicate events": _duplicates(events, calls),
        "missing events": _missing(events, calls, rows, world.wiped),
        "requests over rate x W + burst": [
            f"{key}: {over:.1f}"
            for key, times in world.simulator.requests().items()
            if (over := excess(times, rate, burst)) > 0
        ],
        "broken invariants": [f"{name}: {count}" for name, count in invariants.items()],
    }


def lost_by_broker(world: World, calls: Sequence[Received]) -> list[str]:
    """Return the events that a broker had taken, and then lost by a fault of its own."""
    arrived = {call.event["id"] for call in calls}
    return [
        f"{row['type']} of {row['project_id']}"
        for row in world.store.rows(EVENTS)
        if row["id"] not in arrived and _wiped(row["sent_at"], world.wiped)
    ]


def _histories(store: Store) -> dict[str, list[str]]:
    histories: defaultdict[str, list[str]] = defaultdict(list)
    for row in store.rows(HISTORY):
        histories[row["project_id"]].append(row["to_status"])
    return histories


def _real(record: Any) -> list[str]:  # noqa: ANN401  the simulator's record
    return [status for status, _ in groupby(change["status"] for change in record["timeline"])]


def _duplicates(events: Sequence[Any], calls: Sequence[Received]) -> list[str]:
    """Events that say the same twice, in SQL or downstream. To be delivered twice under one id is no duplicate."""
    ends = Counter((row["project_id"], "end") for row in events if row["type"] in ENDS.values())
    places = {(call.event["project_id"], call.event["sequence"], call.event["id"], call.task_id) for call in calls}
    told = Counter((project, sequence) for project, sequence, _, _ in places)
    return [str(key) for counted in (ends, told) for key, count in counted.items() if count > 1]


def _missing(
    events: Sequence[Any], calls: Sequence[Received], rows: dict[str, Any], wiped: Sequence[Wiped]
) -> list[str]:
    """Ends and settlings without an event, and events that did not arrive though no broker lost them."""
    told = {(row["project_id"], row["type"]) for row in events}
    expected = {(id_, name) for id_, row in rows.items() for name in (ENDS.get(row["status"], ""), "project.settled")}
    arrived = {call.event["id"] for call in calls}
    late = [row for row in events if row["id"] not in arrived and not _wiped(row["sent_at"], wiped)]
    return [f"{name} of {id_} was not stored" for id_, name in sorted(expected - told)] + [
        f"{row['type']} of {row['project_id']} ({row['state']}) did not arrive" for row in late
    ]


def _wiped(sent_at: Any, wiped: Sequence[Wiped]) -> bool:  # noqa: ANN401  a time as the driver gives it
    if sent_at is None:
        return False
    at = sent_at.timestamp()
    return any(one.start - _ON_ITS_WAY <= at <= one.end + _ON_ITS_WAY for one in wiped)
