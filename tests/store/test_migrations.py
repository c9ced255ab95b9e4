"""Every step of the schema goes up and down with data in the tables, and the last one is what the models say."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.exc import DBAPIError

from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, answer, name, project, seen, track
from tests.support.processes import ROOT
from tests.support.services import postgres_database
from worker.store.engine import Database
from worker.store.models import Base
from worker.store.projects.operator_actions import untrack
from worker.store.schema import check, downgrade, migrate, newest
from worker.store.schema_version import VERSION_TABLE

STEPS = [step.revision for step in reversed(list(ScriptDirectory(str(ROOT / "migrations")).walk_revisions()))]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with postgres_database(request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def shape(connection: Connection) -> dict[str, Any]:
    """Everything that the database itself says about our tables."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "checks": sorted(
                (check["name"], _words(check["sqltext"])) for check in inspector.get_check_constraints(table)
            ),
            "unique": sorted(_plain(each) for each in inspector.get_unique_constraints(table)),
            "indexes": sorted(_plain(each) for each in inspector.get_indexes(table)),
            "foreign keys": sorted(_plain(each) for each in inspector.get_foreign_keys(table)),
            "primary key": inspector.get_pk_constraint(table),
        }
        for table in sorted(inspector.get_table_names())
        if table != VERSION_TABLE
    }


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return str(sorted((key, _plain(each)) for key, each in value.items()))
    return _words(str(value))


def _words(condition: str) -> str:
    return " ".join(condition.split())


Contents = dict[str, list[dict[str, Any]]]


def contents(database: Database) -> Contents:
    """All rows of all tables that are there."""
    found = MetaData()
    with database.read() as connection:
        found.reflect(connection)
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in found.tables.values()
            if table.name != VERSION_TABLE
        }


def kept(before: Contents, after: Contents) -> bool:
    """Whether what is there before and after is the same: tables and columns may come or go."""
    for table in before.keys() & after.keys():
        assert len(before[table]) == len(after[table])
        for old, new in zip(before[table], after[table], strict=True):
            assert {name: old[name] for name in old.keys() & new.keys()} == {
                name: new[name] for name in old.keys() & new.keys()
            }
    return True


def fill(database: Database) -> None:
    track(database, 1, 2, 3)
    with database.write() as connection:
        untrack(connection, None, [name(2), name(3)], "tests", "only one project shall be due")
    answer(database, seen("queued"), seen("rendering"), seen("complete", 300))


def test_the_migrations_make_what_the_models_say(empty: Database) -> None:
    migrate(empty)
    with empty.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, Base.metadata) == []
        migrated = shape(connection)
    downgrade(empty, "base")
    with empty.write() as connection:
        Base.metadata.create_all(connection)
        assert shape(connection) == migrated


def test_every_step_goes_down_and_up_and_keeps_what_it_does_not_remove(empty: Database) -> None:
    migrate(empty)
    fill(empty)
    for below in [*reversed(STEPS[:-1]), "base"]:
        before = contents(empty)
        downgrade(empty, below)
        after = contents(empty)
        assert after.keys() <= before.keys()
        assert kept(before, after)
    assert contents(empty) == {}
    for step in STEPS:
        migrate(empty, step)


def test_every_step_goes_up_with_data_below_it(empty: Database) -> None:
    for below in STEPS[:-1]:
        migrate(empty)
        fill(empty)
        downgrade(empty, below)
        before = contents(empty)
        migrate(empty)
        after = contents(empty)
        assert before.keys() <= after.keys()
        assert kept(before, after)
        downgrade(empty, "base")


def test_after_a_round_trip_everything_works_and_history_is_guarded(empty: Database) -> None:
    migrate(empty)
    downgrade(empty, "base")
    migrate(empty)
    fill(empty)
    assert project(empty)["status"] == "complete"
    assert_sound(empty, ROUTES)
    with pytest.raises(DBAPIError, match="never updated or deleted"), empty.engine.begin() as connection:
        connection.execute(text("DELETE FROM credit_adjustments"))


def test_it_migrates_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "100% für #1"
    odd.symlink_to(ROOT / "migrations")
    monkeypatch.setattr("worker.store.schema.STEPS", odd)
    database = Database(f"sqlite:///{tmp_path / 'odd.db'}")
    migrate(database)
    database.close()


def test_a_step_that_fails_leaves_nothing_behind(empty: Database) -> None:
    with empty.write() as connection:
        connection.execute(text("CREATE TABLE events (id INTEGER)"))  # in the way of the third step
    with pytest.raises(Exception, match="have the names of ours"):
        migrate(empty)
    assert set(contents(empty)) == {"events"}
    with empty.write() as connection:
        connection.execute(text("DROP TABLE events"))
    migrate(empty)
    with empty.read() as connection:
        check(connection)


def environment(url: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": url}


def test_many_may_migrate_at_the_same_time(empty_url: str, empty: Database, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from worker.cli.main import main; main()", "migrate"]
    running = [
        subprocess.Popen(command, env=environment(empty_url), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
    assert ends == [("", 0)] * 3
    with empty.read() as connection:
        check(connection)


def test_alembics_own_command_works_too(empty_url: str, empty: Database) -> None:
    def alembic(*arguments: str) -> str:
        command = [sys.executable, "-m", "alembic", *arguments]
        ended = subprocess.run(
            command, env=environment(empty_url), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert "CREATE TABLE tracked_projects" in alembic("upgrade", "head", "--sql")
    assert contents(empty) == {}
    alembic("upgrade", "head")
    assert newest() in alembic("current")
    alembic("check")
    alembic("downgrade", "base")
    assert contents(empty) == {}
