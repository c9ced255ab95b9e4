import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from worker.cli.main import main
from worker.settings import get_settings
from worker.store.engine import Database


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever the document holds
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run ``renderwatch …`` on a migrated database, with nothing of the developer's own settings."""
    for name in ("CELERY_BROKER_URL", "MAGIC_HOUR_API_KEYS", "MAGIC_HOUR_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAGIC_HOUR_API_KEY", "mhk_live_key-of-the-tests")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, input: str | None = None, **environment: str) -> Said:  # noqa: A002  as in click
        get_settings.cache_clear()
        ended = CliRunner().invoke(main, arguments, input=input, env=environment, prog_name="renderwatch")
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Said(ended.exit_code, ended.stdout, ended.stderr)

    yield run
    get_settings.cache_clear()


@pytest.fixture
def store(database: Database) -> Database:
    """The same database, for a test that plays the worker."""
    return database
