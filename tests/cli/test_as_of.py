"""renderwatch as-of, as a user meets it."""

from tests.cli.conftest import Run
from tests.store.world import answer, name, seen, track
from worker.store.engine import Database, clock


def test_the_command(run: Run, store: Database) -> None:
    track(store, 1)
    answer(store, seen("rendering", 450))
    with store.read() as connection:
        now = clock(connection)
    assert "rendering" in run("as-of", now.isoformat(), name(1)).out
    (row,) = run("as-of", now.isoformat(), name(1), "--json").json
    assert (row["status"], row["credits_charged"]) == ("rendering", 450)
    said = run("as-of", "2020-01-01", name(1))
    assert (said.code, said.err) == (1, f"{name(1)}: was not tracked at that time\n")
    assert "not an ISO 8601 time" in run("as-of", "yesterday", name(1)).err
