"""``renderwatch worker``, ``beat`` and ``web`` are ours wherever they are started, and say what they use."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.celery.world import reading
from tests.store.world import track
from tests.support.processes import API_KEY, Program, Programs, environment, wait_for
from tests.support.services import Broker
from worker import __version__
from worker.startup_summary import without_password

FOREIGN = ("celeryconfig.py", "worker.py", "worker/__init__.py", "worker/app.py", "migrations/env.py", "kombu.py")


def renderwatch(programs: Programs, variables: Mapping[str, str], process: str, *options: str) -> Program:
    command = ["-P", "-c", "from worker.cli.main import main; main(prog_name='renderwatch')", process, *options]
    return programs.start(process, command, variables)


@pytest.fixture
def foreign_folder(tmp_path: Path) -> Path:
    """A folder in which every name that we use is another application's."""
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('this is another application')\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("foreign_folder")
def test_the_processes_work_in_the_folder_of_another_application(
    postgres_url: str, redis_service: Broker, programs: Programs
) -> None:
    variables = environment(postgres_url, redis_service, "http://127.0.0.1:9", web_port=0)
    started = [
        renderwatch(programs, variables, "worker", "--concurrency", "1", "-n", "elsewhere@%h"),
        renderwatch(programs, variables, "beat"),
        renderwatch(programs, variables, "web"),
    ]
    for program in started:
        program.says(f"renderwatch {__version__} {program.name}: database postgresql://", timeout=60)
        assert "accounts: default" in program.log
        assert API_KEY not in program.log
    started[0].says("elsewhere@")
    started[2].says("HTTP API and dashboard")
    with reading(postgres_url) as store:
        track(store.database, 1)
        # Beat sends, the worker dispatches and checks: the API that is not there is noticed.
        wait_for(lambda: store.value("SELECT max(failure_count) FROM tracked_projects"), 60, "a check was recorded")


def test_a_database_without_tables_is_refused_at_the_start(
    tmp_path: Path, redis_service: Broker, programs: Programs
) -> None:
    variables = environment(f"sqlite:///{tmp_path / 'empty.db'}", redis_service, "http://127.0.0.1:9")
    for process in ("worker", "beat"):
        program = renderwatch(programs, variables, process)
        assert program.ends(60) == 1
        assert program.log.count("run: renderwatch migrate") == 1
        assert "Traceback" not in program.log


def test_an_option_that_celery_does_not_know_is_said_in_one_line(
    sqlite_url: str, redis_service: Broker, programs: Programs
) -> None:
    variables = environment(sqlite_url, redis_service, "http://127.0.0.1:9")
    program = renderwatch(programs, variables, "worker", "--no-such-option")
    assert program.ends(60) == 2
    assert "--no-such-option" in program.log
    assert "Traceback" not in program.log


def test_a_worker_that_lacks_a_package_does_not_start_without_its_tasks(
    sqlite_url: str, redis_service: Broker, programs: Programs
) -> None:
    variables = environment(sqlite_url, redis_service, "http://127.0.0.1:9")
    lacks = "import sys; sys.modules['standardwebhooks'] = None"
    start = "import runpy; runpy.run_module('worker.tasks', run_name='__main__')"
    command = ["-P", "-c", f"{lacks}; {start}", "worker", "--concurrency", "1"]
    program = programs.start("worker", command, variables)
    assert program.ends(60) == 1
    assert "install Renderwatch again" in program.log
    assert "standardwebhooks" in program.log


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://u:se#c/r?e@t@h/0", "redis://u:***@h/0"),
        ("amqp://u:secret@h//?ssl=1&password=secret", "amqp://u:***@h//"),
        ("sentinel://:secret@a:1;sentinel://:secret@b:2/0", "sentinel://:***@a:1;sentinel://:***@b:2/0"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgresql://u:secret@/db?host=/run", "postgresql://u:***@/db"),
        ("secret", "***"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
