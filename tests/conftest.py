import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.support.reaper import watch_over_this_run
from tests.support.services import Broker, postgres_database, postgres_server, rabbitmq_broker, redis_broker
from worker.store.engine import Database
from worker.store.schema import migrate

# A test that has figures to show gives them to ``record_property`` under this name.
SUMMARY: Final = "summary"


# Quick ones first, those that start many processes last; the longest of these begin before the others.
_ORDER: Final = ("domain", "settings", "simulator", "magic_hour", "tracking", "store", "embedded", "web", "cli")
_LAST: Final = ("chaos", "journeys", "celery")


def pytest_configure(config: pytest.Config) -> None:
    """See to it that a run that is interrupted leaves nothing behind, wherever it was started."""
    # How long an example takes says how busy the machine is.
    settings.register_profile("suite", deadline=None)
    settings.load_profile("suite")
    if hasattr(config, "workerinput"):
        return  # a process of pytest-xdist: it belongs to the run that started it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script has started us in the background
    watch_over_this_run()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run quick tests first."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(file: Path) -> int:
    here = Path(__file__).parent
    place = file.relative_to(here).parts[0] if file.is_relative_to(here) else ""
    if place in _LAST:
        return len(_ORDER) + 1 + _LAST.index(place)
    return _ORDER.index(place) if place in _ORDER else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, text in report.user_properties:
                    if name == SUMMARY:
                        terminalreporter.write_line(str(text))


def _migrate(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> Iterator[str]:
    """The name of a database with all tables, to be copied."""
    with postgres_database(postgres) as url:
        _migrate(url)
        yield url.partition("?")[0].rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres: str, migrated_postgres: str) -> Iterator[str]:
    """A PostgreSQL database of the test's own, with all tables."""
    with postgres_database(postgres, migrated_postgres) as url:
        yield url


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """An SQLite database of the test's own, with all tables."""
    path = tmp_path / "renderwatch.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, with all tables: the test runs on each of them."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Database]:
    """A database for tests to which its kind makes no difference."""
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, as the program sees it."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def redis_service(tmp_path: Path) -> Iterator[Broker]:
    """A Redis broker, with a key prefix of the test's own."""
    with redis_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def rabbitmq_service() -> Iterator[Broker]:
    """A RabbitMQ broker, with a virtual host of the test's own."""
    with rabbitmq_broker() as broker:
        yield broker
