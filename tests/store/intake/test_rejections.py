"""Rejected requests are kept whole, as far as that is bounded."""

import json
from typing import Any

from tests.store.checking import SETTINGS
from tests.store.world import name, stored
from worker.store.engine import Database
from worker.store.intake.rejections import (
    MOST_KEPT,
    change_reason,
    count_rejections,
    delete_excess,
    delete_rejections,
    list_rejections,
    read_rejection,
    store_rejections,
)
from worker.store.models import RejectedRequest, TrackedProject
from worker.store.monitoring.totals import read_totals
from worker.tasks.intake.protocol import Message, read_message
from worker.tracking.intake.messages import Incoming, track_messages
from worker.tracking.intake.track import track_message


def keep(database: Database, *requests: str) -> list[int]:
    """Keep these requests, and return their numbers."""
    with database.write() as connection:
        store_rejections(connection, [(request, "no sense") for request in requests])
    return [row["id"] for row in stored(database, RejectedRequest)]


def test_they_are_kept_whatever_they_hold(database: Database) -> None:
    keep(database, "nul \x00, half a pair \ud800", "x" * MOST_KEPT)
    with database.read() as connection:
        second, first = list_rejections(connection)
    assert (first["request"], first["reason"], first["is_cut"]) == ("nul \ufffd, half a pair ?", "no sense", False)
    assert (second["request"], second["request_bytes"], second["is_cut"]) == ("x" * MOST_KEPT, MOST_KEPT, False)


def test_what_is_longer_than_64_kib_says_how_long_it_was(database: Database) -> None:
    keep(database, "é" * MOST_KEPT)
    with database.read() as connection:
        (row,) = list_rejections(connection)
    assert row["request"] == "é" * (MOST_KEPT // 2)
    assert (row["request_bytes"], row["is_cut"]) == (2 * MOST_KEPT, True)


def test_they_are_listed_in_pages_and_deleted_one_by_one_or_all(database: Database) -> None:
    first, second, third = keep(database, "1", "2", "3")
    with database.write() as connection:
        assert [row["id"] for row in list_rejections(connection, 2)] == [third, second]
        assert [row["id"] for row in list_rejections(connection, 2, before=second)] == [first]
        change_reason(connection, first, "still none")
        kept = read_rejection(connection, first)
        assert kept is not None
        assert kept["reason"] == "still none"
        assert delete_rejections(connection, [second, 999]) == 1
        assert read_rejection(connection, second) is None
        assert delete_rejections(connection) == 2
        assert count_rejections(connection) == 0


def incoming(*projects: object) -> list[Incoming]:
    """Read a message with these projects."""
    headers = {"task": "renderwatch.track", "id": "1"}
    return read_message(
        Message(headers, "application/json", "utf-8", json.dumps([[], {"projects": projects}, {}]).encode())
    )


def kept(database: Database) -> tuple[list[dict[str, Any]], int]:
    """Return the rows, and how many rejected requests were counted."""
    with database.read() as connection:
        counted = sum(count for (metric, _), count in read_totals(connection).items() if metric == "requests_rejected")
    return [dict(row) for row in stored(database, RejectedRequest)], counted


def test_of_one_message_a_hundred_are_kept_and_one_row_counts_the_others(database: Database) -> None:
    bad = [*([5] * 10_050), *(f"no-{number}" for number in range(3)), {"kind": "film", "project_id": name(1)}]
    taken = track_messages(database, SETTINGS, incoming(*bad, {"kind": "video", "project_id": name(1)}))
    assert (taken.new, len(taken.rejected)) == (1, 10_054)
    rows, counted = kept(database)
    assert [row["request"] for row in rows[:-1]] == ["5"] * 100
    assert rows[-1]["request"] == "9,954 more rejected items of one message, which are not kept"
    assert '"project_id": "…"} (9,953 times)' in rows[-1]["reason"]
    assert "kind is 'film'; it must be video, image or audio (1 time)" in rows[-1]["reason"]
    assert counted == 10_054
    assert [row["project_id"] for row in stored(database, TrackedProject)] == [name(1)]


def test_each_message_has_a_bound_of_its_own(database: Database) -> None:
    faults = [Incoming(fault="not JSON", text=str(number)) for number in range(150)]
    track_messages(database, SETTINGS, [*incoming(*[5] * 100), *faults, *incoming(*[6] * 101)])
    rows, counted = kept(database)
    assert len(rows) == 100 + 150 + 101
    assert (rows[-1]["request"], counted) == ("1 more rejected items of one message, which are not kept", 351)


def test_a_message_that_celery_runs_as_a_task_is_bounded_too(database: Database) -> None:
    track_message(database, SETTINGS, [], {"projects": list(range(1000))})
    rows, counted = kept(database)
    assert (len(rows), counted) == (101, 1000)
    assert rows[-1]["reason"].startswith("900 more rejected items of one message: a request must be")
    assert rows[-1]["reason"].endswith("(900 times)")


def test_the_oldest_beyond_the_bound_are_deleted(database: Database) -> None:
    numbers = keep(database, "1", "2", "3", "4")
    with database.write() as connection:
        assert delete_excess(connection, 4) == 0
        assert delete_excess(connection, 3) == 1
        assert delete_excess(connection, 1) == 2
    assert [row["id"] for row in stored(database, RejectedRequest)] == numbers[3:]
