"""A dump of PostgreSQL in the middle of a run, restored: everything goes on, readers' cursors included."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, begin, claim, hold, make_due, record, seen, track
from tests.support.processes import wait_for
from tests.support.services import postgres_database, unavailable
from worker.cli.main import main
from worker.settings import get_settings
from worker.store.engine import Database

Cursor = tuple[int, str]


def feed(database: Database, after: Cursor = (-1, "")) -> list[Cursor]:
    """Return what a reader gets who goes on from a cursor."""
    query = text(
        "SELECT feed_position, event_id FROM event_feed WHERE (feed_position, event_id) > (:position, :id)"
        " ORDER BY feed_position, event_id"
    )
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query, {"position": after[0], "id": after[1]})]


def check_all(database: Database, status: str) -> None:
    make_due(database)
    for batch in claim(database):
        lease = begin(database, batch.token)
        assert lease
        record(database, lease, seen(status))


@contextmanager
def restored(server: str, source: str, folder: Path) -> Iterator[tuple[str, Database]]:
    """Dump a database, and restore it into a new one."""
    if not (shutil.which("pg_dump") and shutil.which("pg_restore")):
        unavailable("no pg_dump and pg_restore on the PATH")
    dump = str(folder / "renderwatch.dump")
    subprocess.run(["pg_dump", "--format", "custom", "--file", dump, source], check=True, timeout=60)
    with postgres_database(server) as url:
        command = ["pg_restore", "--exit-on-error", "--no-owner", "--dbname", url, dump]
        subprocess.run(command, check=True, timeout=60)
        database = Database(url)
        try:
            yield url, database
        finally:
            database.close()


def test_a_dump_in_the_middle_of_a_run_goes_on(postgres: str, postgres_url: str, tmp_path: Path) -> None:
    source = Database(postgres_url)
    track(source, 1, 2)
    check_all(source, "rendering")
    make_due(source)
    lost = hold(source)  # a batch that is under way when the dump is taken
    wait_for(lambda: feed(source), 30, "a reader sees the events")
    cursor = feed(source)[-1]
    with restored(postgres, postgres_url, tmp_path) as (_, database):
        record(source, lost, seen("complete"))  # what the dump does not have
        source.close()
        before = feed(database)
        assert before[-1] == cursor
        with database.write() as connection:  # its lease ends
            connection.execute(text("UPDATE tracked_projects SET leased_until = now(), next_check_at = now()"))
            connection.execute(text("UPDATE leases SET leased_until = now()"))
        check_all(database, "complete")
        wait_for(lambda: len(feed(database, cursor)) >= 2, 30, "the reader gets the events after the restore")
        assert_sound(database, ROUTES)


def test_after_a_restore_into_a_server_with_lower_numbers_readers_go_on(
    postgres: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Database(postgres_url)
    track(source, 1)
    with source.write() as connection:  # as if this server had seen a million transactions more than the next one
        connection.execute(text("UPDATE feed_offset SET transactions = 1000000"))
    check_all(source, "rendering")
    wait_for(lambda: feed(source), 30, "a reader sees the events")
    cursor = feed(source)[-1]
    source.close()
    with restored(postgres, postgres_url, tmp_path) as (url, database):
        with database.write() as connection:
            connection.execute(text("UPDATE feed_offset SET transactions = 0"))
        assert feed(database) == []
        monkeypatch.setenv("DATABASE_URL", url)
        for said in ("positions were raised by", "need no change"):
            get_settings.cache_clear()
            ended = CliRunner().invoke(main, ["db", "after-restore"])
            assert (ended.exit_code, said in ended.output) == (0, True), ended.output
        get_settings.cache_clear()
        assert feed(database)[-1] == cursor
        check_all(database, "complete")
        wait_for(lambda: feed(database, cursor), 30, "the reader gets the events after the restore")
