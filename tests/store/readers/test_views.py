"""What readers rely on: the views and their columns, in words, on each database."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from worker.store.engine import Database
from worker.store.models import Base
from worker.store.models.dictionary import TABLES, VIEWS, about, meaning
from worker.store.readers.dictionary_page import contract, page, plain

PAGE = Path(__file__).parents[3] / "docs" / "data-dictionary.md"


def columns(connection: Connection) -> dict[str, dict[str, str]]:
    """Every view's columns and types, as the database has them."""
    inspector = inspect(connection)
    return {
        view: {column["name"]: str(column["type"]) for column in inspector.get_columns(view)}
        for view in sorted(inspector.get_view_names())
    }


def test_no_promised_column_is_gone_or_altered_and_every_column_is_promised(postgres_url: str) -> None:
    database = Database(postgres_url)
    query = (
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'v'"
        " AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY c.relname, a.attnum"
    )
    found: dict[str, dict[str, str]] = {}
    with database.read() as connection:
        for view, column, type_ in connection.execute(text(query)):
            found.setdefault(view, {})[column] = plain(type_)
    database.close()
    promised = contract()
    for view, columns_ in promised.items():
        result = {name: found.get(view, {}).get(name) for name in columns_}
        assert result == columns_, f"readers rely on these columns of {view}: they may not go or change their type"
    assert found == promised, f"promise the new columns in docs/view-contract.json: {json.dumps(found, indent=2)}"


def test_views_have_the_promised_columns_everywhere(database: Database) -> None:
    with database.read() as connection:
        found = columns(connection)
    assert {view: set(each) for view, each in found.items()} == {view: set(each) for view, each in contract().items()}


def test_every_table_view_and_column_is_explained() -> None:
    relations = {table.name: [column.name for column in table.columns] for table in Base.metadata.sorted_tables}
    assert relations.keys() == TABLES.keys()
    assert contract().keys() == VIEWS.keys()
    for relation, names in [*relations.items(), *contract().items()]:
        assert about(relation), f"say what {relation} is in worker/store/models/dictionary.toml"
        unexplained = [name for name in names if not meaning(relation, name)]
        assert not unexplained, f"say what these columns of {relation} mean in worker/store/models/dictionary.toml"
        of_its_own = set((TABLES.get(relation) or VIEWS[relation]).keys()) - {"about"}
        assert of_its_own <= set(names), f"{relation} has no such columns"


def test_postgresql_shows_the_words_as_comments(postgres_url: str) -> None:
    database = Database(postgres_url)
    query = (
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum), obj_description(c.oid) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('v', 'r') AND a.attnum > 0"
        " AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'renderwatch_version' AND NOT a.attisdropped"
    )
    with database.read() as connection:
        rows = connection.execute(text(query)).all()
    database.close()
    assert {row[0] for row in rows} == TABLES.keys() | VIEWS.keys()
    for relation, column, words, of_all in rows:
        assert (words, of_all) == (meaning(relation, column), about(relation))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(contract()), "run: make dictionary"


@pytest.mark.parametrize("view", VIEWS)
def test_no_time_is_called_anything_but_utc(view: str) -> None:
    times = [name for name, type_ in contract()[view].items() if type_ == "timestamp with time zone"]
    assert all("UTC" in meaning(view, name) for name in times)
