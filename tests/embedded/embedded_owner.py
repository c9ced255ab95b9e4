"""A process that owns an embedded broker until it is killed: prints the broker's URL, then waits."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from worker.embedded.broker import embedded_broker

with embedded_broker(Path(sys.argv[1])) as broker:
    print(broker.url, flush=True)  # noqa: T201 - the test reads it
    signal.pause()
