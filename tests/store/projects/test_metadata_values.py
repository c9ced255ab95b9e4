"""The rows by which projects are found by their metadata: which ones there are, and that nothing gets out of step."""

from typing import Any

from sqlalchemy import delete, text, update

from tests.store.world import answer, change, name, of, request, seen, stored, track
from worker.store.engine import Database
from worker.store.models import MetadataFill, MetadataValue, TrackedProject
from worker.store.projects.metadata_fill import fill_metadata
from worker.store.projects.metadata_search import exact_term, read_term
from worker.store.projects.operator_actions import untrack
from worker.store.projects.search import Search, find_projects
from worker.tracking.maintenance import add_metadata

ODD = {
    "order": 4711, "price": 1.5, "paid": True, "open": False, "nothing": None, "list": [1, 2], "object": {"a": 1},
    "customer": "acme", "a.b:c": "x:y", 'quote"d\\': "it's 100%_sure", "": "no key", "long": "x" * 201,
    "right": "\u202eevil", "emoji": "🎬", "text": "null", "just": "y" * 200,
}  # fmt: skip


def values(database: Database) -> dict[tuple[int, str], str | None]:
    return {(row["tracked_project_id"], row["key"]): row["value"] for row in stored(database, MetadataValue)}


def seen_by_readers(database: Database) -> dict[tuple[str, str], str | None]:
    with database.read() as connection:
        rows = connection.execute(text("SELECT project_id, key, value FROM project_metadata")).all()
    found = {(row.project_id, row.key): row.value for row in rows}
    assert len(found) == len(rows)
    return found


def found(database: Database, written: str, **filters: Any) -> list[str]:  # noqa: ANN401  fields of a search
    term = read_term(written)
    assert term
    with database.read() as connection:
        page = find_projects(connection, Search(metadata=[term], **filters), 50)
    assert page.next is None
    assert page.searched_back_to is None
    return [row["project_id"] for row in page.rows]


def test_every_key_has_a_row_with_its_value_as_text(database: Database) -> None:
    track(database, request(1, metadata=ODD), request(2))
    expected = {
        "order": "4711", "price": "1.5", "paid": "true", "open": "false", "nothing": "null", "list": None,
        "object": None, "long": None,
    }  # fmt: skip
    assert values(database) == {(1, key): expected.get(key, value) for key, value in ODD.items()}


def test_readers_still_see_whole_values(database: Database) -> None:
    track(database, request(1, metadata=ODD))
    seen_ = {key: value for (_, key), value in seen_by_readers(database).items()}
    assert seen_.keys() == ODD.keys()
    assert (seen_["nothing"], seen_["text"], seen_["long"]) == (None, "null", "x" * 201)
    assert str(seen_["list"]).replace(" ", "") == "[1,2]"
    assert str(seen_["object"]).replace(" ", "") == '{"a":1}'


FOUND = (
    "order:4711", "order:471*", "price:1.5", "paid:true", "nothing:null", "customer:acme", "a.b:c:x:y", "a.b:c:x*",
    "quote\"d\\:it's 100%_sure", "quote\"d\\:it's 100%_*", "right:\u202eevil", "emoji:🎬", "emoji:🎬*",
)  # fmt: skip
NOT_FOUND = ("order:471", "order:6*", "customer:ACME", "customer:acm", "list:[1, 2]", "long:xx", "a:b")


def test_a_project_is_found_by_any_of_its_values(database: Database) -> None:
    others = {"order": 5471, "customer": 7, 'quote"d\\': "it's 100xxsure", "paid": False}
    track(database, request(1, metadata=ODD), request(2), request(3, metadata=others))
    for written in FOUND:
        assert found(database, written) == [name(1)], written
    for written in NOT_FOUND:
        assert found(database, written) == [], written
    assert found(database, "customer:*") == [name(3), name(1)]


def test_a_number_and_the_same_text_are_the_same_value(database: Database) -> None:
    track(database, request(1, metadata={"order": 4711}), request(2, metadata={"order": "4711"}))
    assert found(database, "order:4711") == [name(2), name(1)]
    assert found(database, "order:4711", sort="oldest") == [name(1), name(2)]
    assert found(database, "order:4711", text=name(1)) == [name(1)]


def test_at_most_fifty_keys_of_a_project_have_rows(database: Database) -> None:
    track(database, request(1, metadata={f"key-{n:03}": n for n in reversed(range(300))}))
    assert sorted(key for _, key in values(database)) == [f"key-{n:03}" for n in range(50)]


def test_rows_follow_their_project(database: Database) -> None:
    track(database, request(1), request(2, metadata={"order": 2}))
    track(database, request(1, metadata={"order": 1}))
    both = {(1, "order"): "1", (2, "order"): "2"}
    assert values(database) == both
    answer(database, seen("complete", 300))
    with database.write() as connection:
        untrack(connection, None, [name(2)], "tests", "rows stay")
    assert values(database) == both
    change(database, 1, caller_metadata={"team": "a"})
    assert values(database) == {(1, "team"): "a", (2, "order"): "2"}


def test_a_removed_project_leaves_no_row(database: Database) -> None:
    track(database, request(1, metadata={"order": 1}), request(2, metadata={"order": 2}))
    with database.write() as connection:
        connection.execute(delete(TrackedProject).where(TrackedProject.id == 1))
    assert values(database) == {(2, "order"): "2"}


def test_older_projects_are_added_in_batches_and_are_there_for_readers_meanwhile(postgres_url: str) -> None:
    database = Database(postgres_url)
    track(database, *(request(n, metadata=ODD | {"number": n}) for n in range(1, 8)))
    expected, shown = values(database), seen_by_readers(database)
    with database.write() as connection:  # as after the migration
        connection.execute(delete(MetadataValue))
        connection.execute(update(MetadataFill).values(unfilled_upto=7))
    track(database, request(8, metadata={"number": 8}))
    expected |= {(8, "number"): "8"}
    shown |= {(name(8), "number"): "8"}
    for rest in (7, 4, 1):
        assert [row["unfilled_upto"] for row in stored(database, MetadataFill)] == [rest]
        assert seen_by_readers(database) == shown
        assert found(database, "customer:acme") == [name(n) for n in reversed(range(1, 8))]
        assert found(database, "number:3*") == [name(3)]
        database.transact(lambda connection: fill_metadata(connection, 3))
    assert add_metadata(database) == 0
    assert [row["unfilled_upto"] for row in stored(database, MetadataFill)] == [0]
    assert found(database, "number:3*") == [name(3)]
    assert seen_by_readers(database) == shown
    assert values(database) == expected
    database.close()


def test_exact_terms_take_no_wildcard(database: Database) -> None:
    track(database, request(1, metadata={"a:b": "c*"}), request(2, metadata={"a:b": "cd"}))
    with database.read() as connection:
        page = find_projects(connection, Search(metadata=[exact_term("a:b", "c*")]), 50)
    assert of(page.rows, "project_id") == [name(1)]
