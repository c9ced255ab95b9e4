from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state() -> Iterator[Path]:
    # pytest's own temporary paths may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:
        yield Path(folder) / "state"
