"""A web process as an operator runs it, on a free port."""

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import API_KEY, Program, Programs
from tests.web.conftest import token_for
from worker.store.engine import Database

_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class WebProcess:
    """Where it answers, and what it takes."""

    url: str
    database: Database
    program: Program

    def client(self, *scopes: str, name: str = "tests") -> httpx.Client:
        """A client with a new token of these scopes."""
        token = token_for(self.database, *scopes, name=name)
        return self.client_with(token)

    def client_with(self, token: str) -> httpx.Client:
        """A client with this token."""
        headers = {"authorization": f"Bearer {token}"}
        many = httpx.Limits(max_connections=None)
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, limits=many)

    @property
    def memory(self) -> int:
        """Its resident memory, in bytes."""
        pages = Path(f"/proc/{self.program.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * _PAGE


@contextmanager
def web_process(database_url: str, folder: Path, **settings: Any) -> Iterator[WebProcess]:  # noqa: ANN401  any setting
    """Run one until the context ends."""
    named = {f"RENDERWATCH_{name.upper()}": str(value) for name, value in settings.items()}
    variables = {"DATABASE_URL": database_url, "RENDERWATCH_WEB_PORT": "0", "RENDERWATCH_STATE_DIR": str(folder)}
    variables["MAGIC_HOUR_API_KEY"] = API_KEY
    database = Database(database_url)
    try:
        with Programs(folder) as programs:
            program = programs.start("web", ["-m", "worker.web"], variables | named)
            program.says("http://127.0.0.1:")
            found = re.search(r"http://127\.0\.0\.1:\d+", program.log)
            assert found
            yield WebProcess(found[0], database, program)
        assert "Traceback" not in program.log
    finally:
        database.close()
