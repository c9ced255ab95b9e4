"""What must hold in the database after every commit, read row by row in Python: slow, plain and on its own."""

from collections import defaultdict
from itertools import groupby
from typing import Any

from tests.store.world import stored
from worker.domain.deliveries.destination import destinations
from worker.domain.deliveries.route_rule import Subject
from worker.domain.projects.events import FINISHED
from worker.store.engine import Database, clock
from worker.store.models import CreditAdjustment, Delivery, Event, Lease, StatusTransition, TrackedProject
from worker.store.projects.write_changes import Routes

Row = dict[str, Any]


def assert_sound(database: Database, routes: Routes) -> None:
    transitions = _by_project(stored(database, StatusTransition))
    adjustments = _by_project(stored(database, CreditAdjustment))
    events = _by_project(stored(database, Event))
    deliveries = stored(database, Delivery)
    projects = stored(database, TrackedProject)
    for project in projects:
        _assert_state(project)
        _assert_history(project, transitions[project["id"]])
        _assert_ledger(project, adjustments[project["id"]])
        _assert_news(project, events[project["id"]])
        _assert_deliveries(project, events[project["id"]], deliveries, routes)
    _assert_leases(database, projects)


def _assert_leases(database: Database, projects: list[Row]) -> None:
    """Every project that is held stands in its lease, so that what is in flight is counted."""
    leases = {row["token"]: row for row in stored(database, Lease)}
    assert all(row["size"] == len(row["tracked_project_ids"]) for row in leases.values())
    for project in projects:
        lease = leases.get(project["lease_token"])
        if lease is not None:
            assert project["id"] in lease["tracked_project_ids"]
            assert project["leased_until"] == lease["leased_until"]
        elif project["leased_until"] is not None:
            with database.read() as connection:
                assert project["leased_until"] <= clock(connection)


def _by_project(table: list[Row]) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in sorted(table, key=lambda row: (row["tracked_project_id"], row["sequence"])):
        found[row["tracked_project_id"]].append(row)
    return found


def _assert_state(project: Row) -> None:
    closed = project["state"] == "closed"
    assert closed == (project["close_reason"] is not None) == (project["closed_at"] is not None)
    assert closed or project["next_check_at"] is not None
    assert len({project[name] is None for name in ("lease_token", "leased_until", "claimed_at")}) == 1


def _assert_history(project: Row, transitions: list[Row]) -> None:
    assert project["transition_count"] == len(transitions)
    status = None
    for sequence, row in enumerate(transitions, start=1):
        assert (row["sequence"], row["from_status"]) == (sequence, status)
        assert row["observed_after"] is None or row["observed_after"] <= row["observed_at"]
        status = row["to_status"]
    assert project["status"] == status


def _assert_ledger(project: Row, adjustments: list[Row]) -> None:
    assert project["adjustment_count"] == len(adjustments)
    total = 0
    for sequence, row in enumerate(adjustments, start=1):
        total += row["amount"]
        assert (row["sequence"], row["total"]) == (sequence, total)
        assert row["observed_after"] is None or row["observed_after"] <= row["observed_at"]
    assert project["credits_charged"] == (total if adjustments else None)


def _assert_news(project: Row, events: list[Row]) -> None:
    assert [event["sequence"] for event in events] == list(range(1, project["event_count"] + 1))
    assert len({event["dedup_key"] for event in events}) == len(events)
    finished = [event for event in events if event["type"] in FINISHED.values()]
    assert len(finished) == (project["finished_at"] is not None)
    for event in events:
        assert event["payload"]["id"] == event["id"]
        assert event["payload"]["sequence"] == event["sequence"]
        assert event["payload"]["project_id"] == project["project_id"]


def _assert_deliveries(project: Row, events: list[Row], deliveries: list[Row], routes: Routes) -> None:
    subject = Subject(project["kind"], project["account"], project["type"], project["metadata"])
    wanted = {
        (event["id"], destination)
        for event in events
        for destination in destinations(event["type"], subject, routes, project["notify"])
    }
    ids = {event["id"] for event in events}
    found = [(row["event_id"], row["destination"]) for row in deliveries if row["event_id"] in ids]
    assert sorted(found) == sorted(wanted)


def live_leases(database: Database, now: Any) -> dict[str, list[int]]:  # noqa: ANN401
    held = [row for row in stored(database, TrackedProject) if row["leased_until"] and row["leased_until"] > now]
    held.sort(key=lambda row: str(row["lease_token"]))
    return {
        str(token): [row["id"] for row in each] for token, each in groupby(held, key=lambda row: row["lease_token"])
    }
