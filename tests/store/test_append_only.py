"""History that nobody rewrites: not by mistake, and not through another program."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.store.world import answer, seen, stored, track
from worker.store.engine import Database
from worker.store.models import Base

HISTORY = ("status_transitions", "credit_adjustments", "events")


def assert_refused(database: Database, table: str, statement: str) -> None:
    model = next(each.class_ for each in Base.registry.mappers if each.class_.__tablename__ == table)
    track(database, 1)
    answer(database, seen("complete", 300))
    before = stored(database, model)
    with pytest.raises(DBAPIError, match=f"rows of {table} are never"), database.engine.begin() as connection:
        connection.execute(text(statement.format(table)))
    assert stored(database, model) == before != []


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET sequence = sequence + 1", "UPDATE {} SET sequence = sequence", "DELETE FROM {}"],
)
def test_history_is_neither_updated_nor_deleted(database: Database, table: str, statement: str) -> None:
    assert_refused(database, table, statement)


@pytest.mark.parametrize("table", HISTORY)
def test_history_is_not_truncated(postgres_url: str, table: str) -> None:
    database = Database(postgres_url)
    assert_refused(database, table, "TRUNCATE {} CASCADE")
    database.close()
