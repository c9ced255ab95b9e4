"""Every query of docs/queries.md gives what the page shows, on each database."""

import pytest

from tests.store.readers.documented import Documented, documented, shown
from tests.store.readers.fixed_data import fill
from tests.support.processes import wait_for
from worker.store.engine import Database
from worker.store.ledger.daily_totals import close_days
from worker.store.monitoring.invariants import violations

QUERIES = documented()


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        fill(connection)
    return database


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_a_documented_query_gives_what_the_page_shows(filled: Database, query: Documented) -> None:
    def now() -> str:
        with filled.read() as connection:
            return shown(connection, query.sql)

    if "event_feed" in query.sql:  # any transaction on the server may hold it back for a while
        wait_for(lambda: now() == query.result, 60, "the feed shows it", now)
    assert now() == query.result


def test_there_are_enough_of_them_and_none_reads_a_table() -> None:
    assert len(QUERIES) >= 20
    for table in ("tracked_projects", "credit_adjustments", "status_transitions", "deliveries "):
        assert all(table not in query.sql for query in QUERIES)


def test_the_fixed_data_is_sound_and_was_booked_as_we_book(filled: Database) -> None:
    with filled.read() as connection:
        wrong = {name: count for name, count in violations(connection).items() if count}
    assert wrong == {}
    with filled.write() as connection:
        assert close_days(connection) >= 0
