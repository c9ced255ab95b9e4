"""The judge of running systems sees what it shall see, and nothing else."""

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.store.world import claim, name, pass_time, track
from tests.support.judge import IN_CELERY, Allowed, lies, overdue, read_logs, trouble_in_logs, watching
from worker.store.engine import Database, clock
from worker.store.models import TrackedProject

CRASH = """2026-01-01 10:00:00 INFO a: fine
2026-01-01 10:00:01 ERROR celery.app.trace: Task failed
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    1 / 0
ZeroDivisionError: division by zero
2026-01-01 10:00:02 INFO a: an error is only a word here
"""


def test_errors_warnings_and_tracebacks_are_found() -> None:
    assert trouble_in_logs({"worker.log": CRASH}) == [
        "worker.log: 2026-01-01 10:00:01 ERROR celery.app.trace: Task failed",
        "worker.log: Traceback (most recent call last): … ZeroDivisionError: division by zero",
    ]
    assert trouble_in_logs({"beat.log": "[x: WARNING/MainProcess] old\n"}) == ["beat.log: [x: WARNING/MainProcess] old"]
    assert trouble_in_logs({"cut.log": "Traceback (most recent call last):\n  File"}) != []


@pytest.mark.parametrize(
    ("files", "in_celery"),
    [
        (["/venv/lib/python3.11/site-packages/celery/worker/consumer.py", "/usr/lib/python3.11/socket.py"], True),
        (["/venv/lib/python3.11/site-packages/kombu/messaging.py", "/clone/worker/tasks/intake.py"], False),
        (["/venv/lib/python3.11/site-packages/worker/app.py"], False),
    ],
)
def test_tracebacks_without_code_of_ours_are_told_apart(files: list[str], *, in_celery: bool) -> None:
    frames = "".join(f'  File "{file}", line 7, in it\n    call()\n' for file in files)
    (entry,) = trouble_in_logs({"x.log": f"Traceback (most recent call last):\n{frames}AttributeError: hostname\n"})
    assert entry.endswith(IN_CELERY) == in_celery


def test_what_is_allowed_is_not_found_but_its_neighbours_are() -> None:
    allowed = [Allowed("Task failed", "the test made it fail")]
    assert len(trouble_in_logs({"worker.log": CRASH}, allowed)) == 1
    assert trouble_in_logs({"worker.log": CRASH}, [*allowed, Allowed("ZeroDivisionError", "so did this")]) == []


def test_logs_of_a_folder_are_read_with_the_rotated_ones(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for file in ("logs/worker.log", "logs/worker.log.1", "up.out", "data.db"):
        (tmp_path / file).write_text(file)
    assert [Path(path).name for path in read_logs(tmp_path)] == ["worker.log", "worker.log.1", "up.out"]


def test_a_project_that_nobody_asks_for_is_overdue_and_makes_a_lie_of_all_is_well(database: Database) -> None:
    track(database, 1)
    assert overdue(database) == {}
    assert lies("All is well", database) == []
    pass_time(database, 60)
    assert list(overdue(database)) == [f"video {name(1)}"]
    assert lies("<span>All is well</span>", database) != []
    assert lies("1 to look at", database) == []


def test_a_lease_that_leads_to_nothing_is_no_excuse(database: Database) -> None:
    track(database, 1)
    claim(database)
    pass_time(database, 30)
    assert list(overdue(database)) == [f"video {name(1)}"]


def test_a_watch_fails_the_test_unless_something_was_broken(database_url: str, database: Database) -> None:
    track(database, 1)
    pass_time(database, 60)
    with pytest.raises(AssertionError, match="was due and not asked for"), watching(database_url):
        pass
    with watching(database_url) as watch, watch.broken(heals_within=60):
        watch.look()
        checked_now(database)


def checked_now(database: Database) -> None:
    """Plan every project's next check for this moment."""
    with database.write() as connection:
        connection.execute(update(TrackedProject).values(next_check_at=clock(connection)))
