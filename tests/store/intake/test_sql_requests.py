"""Requests that services send in SQL, in their own transactions, are taken in like all others."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from tests.store.checking import SETTINGS
from tests.store.world import answer, name, seen, stored, track
from worker.domain.intake.request import TrackRequest
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import guess
from worker.store.engine import Database
from worker.store.intake.store_requests import store_requests
from worker.store.models import RejectedRequest, SqlTrackRequest, TrackedProject
from worker.store.monitoring.health import read_facts
from worker.store.monitoring.pending_work import is_dispatch_wanted
from worker.tracking.intake.sql_requests import take_in


def send(database: Database, *requests: Any, sent_by: str | None = None) -> None:  # noqa: ANN401  whatever a service sends
    rows = [{"request": each if isinstance(each, str) else json.dumps(each), "sent_by": sent_by} for each in requests]
    with database.write() as connection:
        connection.execute(insert(SqlTrackRequest), rows)


def item(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  of a request
    return {"kind": "video", "project_id": name(number), **fields}


def left(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(select(SqlTrackRequest.id).order_by(SqlTrackRequest.id)))


def tracked(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(TrackedProject.project_id).order_by(TrackedProject.project_id)))


def test_what_was_sent_is_tracked_and_gone(database: Database) -> None:
    send(database, item(1, credits_charged=30, metadata={"order": 7}), item(2), item(1), sent_by="orders")
    with database.read() as connection:
        assert is_dispatch_wanted(connection, 1e9)
        assert read_facts(connection, [], 5.0).track_requests == 3
    taken = take_in(database, SETTINGS, Durations())
    assert taken is not None
    assert (taken.new, taken.known, taken.rejected) == (2, 1, ())
    first = stored(database, TrackedProject)[0]
    assert (first["credits_charged"], first["metadata"], first["tracked_by"]) == (30, {"order": 7}, "orders")
    assert left(database) == []
    assert take_in(database, SETTINGS, Durations()) is None


BAD = [
    "",
    "no JSON",
    '"text"',
    "[" * 5000,
    "{}",
    "NaN",
    '{"kind": "film", "project_id": "project-000001"}',
    '{"kind": "video", "project_id": "project-000001", "notify": {"*": ["celery:other.task"]}}',
    '{"kind": "video", "project_id": "project-000001", "credits_charged": ' + "9" * 6000 + "}",
    '{"kind": "video", "project_id": "project-000001", "metadata": {"a": "\\ud800"}}',
]


def test_a_bad_row_is_kept_with_its_reason_and_harms_no_other(database: Database) -> None:
    send(database, *BAD, item(5), sent_by="orders")
    taken = take_in(database, SETTINGS, Durations())
    assert taken is not None
    assert (taken.new, len(taken.rejected)) == (1, len(BAD))
    assert tracked(database) == [name(5)]
    rows = stored(database, RejectedRequest)
    assert [row["request"] for row in rows] == BAD or {row["request"] for row in rows} == set(BAD)
    assert {row["sent_by"] for row in rows} == {"orders"}
    assert {row["track_request_id"] for row in rows} == set(range(1, len(BAD) + 1))
    assert all(row["reason"] for row in rows)
    assert left(database) == []


def test_what_sqlite_stores_in_a_text_column_is_refused_and_harms_no_other(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as connection:
        for value in ("X'ff00fe'", "CAST(X'ff7b' AS TEXT)", "17", "1.5", "'null'"):
            connection.execute(text(f"INSERT INTO track_requests (request, sent_by) VALUES ({value}, {value})"))
        connection.execute(
            text("INSERT INTO track_requests (request) VALUES (json_object('kind', 'image', 'project_id', :id))"),
            {"id": name(6)},
        )
    taken = take_in(database, SETTINGS, Durations())
    assert taken is not None
    assert (taken.new, len(taken.rejected)) == (1, 5)
    assert left(database) == []
    database.close()


def test_a_type_plans_the_first_check_only_when_it_has_been_learned(database: Database) -> None:
    send(database, item(1, type="SLOW"), item(2, type="OTHER"), item(3))
    take_in(database, SETTINGS, Durations({("video", "SLOW"): guess(600)}))
    rows = stored(database, TrackedProject)
    assert [row["type"] for row in rows] == ["SLOW", "OTHER", None]
    gaps = [(row["next_check_at"] - row["tracked_at"]).total_seconds() for row in rows]
    assert 5 < gaps[0] <= SETTINGS.plan.greatest_gap
    assert gaps[1:] == [0, 0]
    answer(database, seen("rendering", type="FAST"), seen("rendering", type="FAST"), seen("rendering", type="FAST"))
    assert {row["type"] for row in stored(database, TrackedProject)[1:]} == {"FAST"}


def test_another_account_s_project_is_refused_by_its_row(database: Database) -> None:
    track(database, TrackRequest("video", name(1), "default"))
    send(database, item(2), item(1, account="other"))
    taken = take_in(database, SETTINGS, Durations())
    assert taken is not None
    assert [each.code for each in taken.rejected] == ["tracked_elsewhere"]
    assert stored(database, RejectedRequest)[0]["track_request_id"] == 2


def test_a_request_that_cannot_be_stored_is_found_and_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Any, requests: Any, **options: Any) -> Any:  # noqa: ANN401  as store_requests
        if any(each.project_id == name(3) for each in requests):
            raise RuntimeError("a bug")
        return store_requests(connection, requests, **options)

    monkeypatch.setattr("worker.tracking.intake.sql_requests.store_requests", fail)
    send(database, *(item(number) for number in range(1, 8)))
    take_in(database, SETTINGS, Durations())
    assert tracked(database) == [name(number) for number in (1, 2, 4, 5, 6, 7)]
    assert [row["track_request_id"] for row in stored(database, RejectedRequest)] == [3]
    assert left(database) == []


def test_locks_of_others_delay_only_what_they_hold(postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    track(database, TrackRequest("video", name(1), "default"))
    send(database, item(1, credits_charged=5), *(item(number) for number in range(2, 10)))
    with other.write() as holder:
        holder.execute(text("UPDATE tracked_projects SET name = 'held'"))  # the project of row 1
        holder.execute(select(SqlTrackRequest.id).where(SqlTrackRequest.id == 4).with_for_update())
        holder.execute(insert(SqlTrackRequest), {"request": "{}"})  # of a caller that does not commit
        take_in(database, SETTINGS, Durations())
        assert left(database) == [1, 4]
        with database.read() as connection:
            assert read_facts(connection, [], 5.0).locked_track_requests == 1
        holder.rollback()
    take_in(database, SETTINGS, Durations())
    assert left(database) == [1]
    with database.write() as connection:
        connection.execute(update(SqlTrackRequest).values(retry_at=None))
    take_in(database, SETTINGS, Durations())
    assert left(database) == []
    assert tracked(database) == [name(number) for number in range(1, 10)]
    database.close()
    other.close()


def test_two_at_once_take_each_row_once(postgres_url: str) -> None:
    database = Database(postgres_url)
    send(database, *(item(number) for number in range(3000)), *["{}"] * 100)
    threads = [threading.Thread(target=take_in, args=(database, SETTINGS, Durations())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while take_in(database, SETTINGS, Durations()):
        pass
    assert (len(tracked(database)), len(stored(database, RejectedRequest)), left(database)) == (3000, 100, [])
    database.close()
