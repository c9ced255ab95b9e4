"""The broker for machines without any Redis: messages are files in the state folder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.embedded.candidate import EmbeddedBroker
from worker.embedded.spool import prepare, register, spool_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serverless(folder: Path) -> Iterator[EmbeddedBroker]:
    """Use a folder of message files, chosen by measurement in decision 0002; there is nothing to start or stop."""
    spool = folder / "spool"
    prepare(spool)
    register()
    yield EmbeddedBroker(
        url=spool_url(spool),
        kind="serverless spool",
        description=f"serverless: messages are files in {spool}, for there is no Redis to run",
    )
