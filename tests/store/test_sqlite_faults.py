"""Faults of an SQLite file in the middle of the work: a full disk, and a lock that stays."""

import contextlib
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, event

from tests.store.checking import api, assert_nothing_recorded, assert_recorded_once, check_batch
from tests.store.world import LEASE, pass_time, track
from worker.store.engine import Database, StoreUnavailableError

# What they write does not fit into the free pages of the file, and they are still claimed as one batch.
COUNT: Final = 50


@dataclass(frozen=True)
class Small:
    """A database that has little room, and how that is used up and comes back."""

    database: Database
    fill: Callable[[], None]
    make_room: Callable[[], None]


@contextlib.contextmanager
def on_a_small_disk(migrated: Path, folder: Path) -> Iterator[Small]:
    """A disk that is really full. Only root can make one, so that this does not run everywhere."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user cannot mount a small disk; the limit in pages shows the same")
    path, other = folder / "renderwatch.db", folder / "other"
    shutil.copy(migrated, path)
    database = Database(f"sqlite:///{path}")

    def fill() -> None:
        with contextlib.suppress(OSError), other.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    try:
        yield Small(database, fill, other.unlink)
    finally:
        database.close()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def with_a_limit(migrated: Path, folder: Path) -> Iterator[Small]:
    """A file that SQLite may not let grow, which it reports as it does a full disk."""
    folder.mkdir()
    shutil.copy(migrated, folder / "renderwatch.db")
    database = Database(f"sqlite:///{folder}/renderwatch.db")
    most = [1_000_000]

    @event.listens_for(database.engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={most[-1]}")

    yield Small(database, lambda: most.append(1), lambda: most.append(1_000_000))
    database.close()


@pytest.fixture(params=[on_a_small_disk, with_a_limit], ids=["disk", "limit"])
def small(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Small]:
    with request.param(migrated_sqlite, tmp_path / "small") as small:
        yield small


def test_a_full_disk_leaves_nothing_says_what_to_do_and_is_no_end(small: Small) -> None:
    track(small.database, *range(COUNT))
    with api(small.fill) as server:
        with pytest.raises(StoreUnavailableError, match=r"full: free some disk space .* is safe") as caught:
            check_batch(small.database, server)
        assert "\n" not in str(caught.value)
        assert_nothing_recorded(small.database, COUNT)
        small.make_room()
        pass_time(small.database, LEASE)
        recorded = check_batch(small.database, server)
    assert recorded is not None
    assert (recorded.changed, recorded.lost) == (COUNT, 0)
    assert_recorded_once(small.database, COUNT)


def test_a_file_that_stays_locked_is_waited_for_and_then_given_up(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.sqlite.LOCK_TIMEOUT", 0.5)
    database = Database(sqlite_url)
    track(database, 1, 2)
    path = sqlite_url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    locked_at: list[float] = []

    def lock() -> None:
        other.execute("BEGIN IMMEDIATE")
        locked_at.append(time.monotonic())

    with api(lock) as server:
        with pytest.raises(StoreUnavailableError, match=r"^database is locked$"):
            check_batch(database, server)
        assert time.monotonic() - locked_at[0] >= 0.5
        assert_nothing_recorded(database, 2)
        other.close()
        pass_time(database, LEASE)
        check_batch(database, server)
    assert_recorded_once(database, 2)
    database.close()
