"""What was believed at a time, and a feed that nobody misses anything of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import RowMapping, text

from tests.store.world import answer, name, seen, track
from tests.support.processes import wait_for
from worker.store.engine import Database
from worker.store.readers.as_of import projects_as_of

TICK = timedelta(microseconds=1)


def steps(database: Database) -> list[RowMapping]:
    query = text("SELECT happened_at, entry, what FROM project_timeline ORDER BY happened_at")
    with database.read() as connection:
        return list(connection.execute(query).mappings())


def moments(database: Database) -> list[datetime]:
    """When each thing happened, as aware times."""
    found = []
    for row in steps(database):
        at = row["happened_at"]
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
        found.append(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
    return sorted(set(found))


def believed(database: Database, moment: datetime) -> list[tuple[Any, Any]]:
    with database.read() as connection:
        rows = projects_as_of(connection, moment, [name(1), name(2)])
    return [(row["status"], row["credits_charged"]) for row in rows]


def test_what_was_believed_at_each_moment(database: Database) -> None:
    track(database, 1)
    answer(database, seen("queued", 450), seen("rendering", 450), seen("complete", 300), seen("complete", 310))
    tracked, queued, rendering, complete, corrected = moments(database)
    assert believed(database, tracked - TICK) == []
    assert believed(database, tracked) == [(None, None)]
    assert believed(database, queued - TICK) == [(None, None)]
    assert believed(database, queued) == [("queued", 450)]
    assert believed(database, rendering) == [("rendering", 450)]
    assert believed(database, complete) == [("complete", 300)]
    assert believed(database, corrected - TICK) == [("complete", 300)]
    assert believed(database, corrected) == believed(database, corrected + TICK) == [("complete", 310)]


def test_the_function_in_postgresql_says_the_same(postgres_url: str) -> None:
    database = Database(postgres_url)
    track(database, 1)
    answer(database, seen("queued", 450), seen("complete", 300))
    for moment in moments(database):
        with database.read() as connection:
            rows = connection.execute(text("SELECT * FROM projects_as_of(:moment)"), {"moment": moment}).mappings()
            assert [dict(row) for row in rows] == projects_as_of(connection, moment, [name(1)])
    database.close()


def positions(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.scalars(text("SELECT feed_position FROM event_feed ORDER BY feed_position, event_id")))


def shown(database: Database, count: int) -> list[int]:
    """Positions, once so many are shown: a transaction anywhere on the server may hold the feed back for a while."""
    wait_for(lambda: len(positions(database)) == count, 60, f"{count} events in the feed")
    return positions(database)


def test_what_is_recorded_later_comes_later(database: Database) -> None:
    track(database, 1)
    answer(database, seen("rendering", 450))
    first = shown(database, 2)
    answer(database, seen("complete", 300))
    later = shown(database, 4)
    assert later[: len(first)] == first
    assert min(later[len(first) :]) > max(first)


def test_what_commits_late_appears_ahead_of_the_cursor(postgres_url: str) -> None:
    database = Database(postgres_url)
    track(database, 1)
    insert = (
        "INSERT INTO events (id, tracked_project_id, sequence, type, dedup_key, payload, created_at, feed_position)"
        " VALUES (%s, 1, %s, 't', %s, '{}', now(), CAST(CAST(pg_current_xact_id() AS text) AS bigint))"
    )
    with psycopg.connect(postgres_url) as slow, psycopg.connect(postgres_url, autocommit=True) as fast:
        slow.execute(insert, ("1", 1, "1"))  # takes its number first, and commits last
        fast.execute(insert, ("2", 2, "2"))
        assert positions(database) == [], "the one that committed waits for the one that could still come before it"
        slow.commit()
    shown(database, 2)
    with database.read() as connection:
        ids = connection.scalars(text("SELECT event_id FROM event_feed ORDER BY feed_position, event_id")).all()
    assert ids == ["1", "2"]
    database.close()
