"""Requests per second of one process and CPU time per request, at several API latencies, with nothing recorded.

python -m benchmarks.speed.requests_alone [--tls] [--seconds 2]
"""

import argparse
import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.speed.machine import Api, stand_in
from worker.domain.projects.observation import Observation
from worker.domain.projects.status import Kind
from worker.magic_hour.client import MagicHourClient
from worker.magic_hour.sender import Transport

_DELAYS: Final = (0.0, 0.05, 0.3)  # seconds
_BATCHES: Final = (50, 250, 1000)
_TRANSPORTS: Final[Sequence[tuple[Transport, str]]] = (("requests", "threads"), ("curl", "the extra"))


def main() -> None:
    """Measure each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    columns = [f"{name}, batches of {size}" for _, name in _TRANSPORTS for size in _BATCHES]
    print(f"| requests/s (ms of CPU each) | {' | '.join(columns)} |")
    print("|---|" + "--:|" * len(columns))
    for delay in _DELAYS:
        with tempfile.TemporaryDirectory() as name, stand_in(Path(name), tls=given.tls, delay=delay) as api:
            os.environ.update(api.variables)
            cells = [_measure(api, transport, size, given.seconds) for transport, _ in _TRANSPORTS for size in _BATCHES]
        print(f"| {1000 * delay:.0f} ms | {' | '.join(cells)} |", flush=True)


def _measure(api: Api, transport: Transport, size: int, seconds: float) -> str:
    asked: list[tuple[Kind, str]] = [("video", f"project-{n}") for n in range(size)]
    with MagicHourClient(api.url, "any-key", timeout=15, connections=1000, transport=transport) as client:

        def ask() -> int:
            answers = client.get_projects(asked, math.inf)
            return sum(isinstance(answer, Observation) for answer, _ in answers.values())

        ask()
        ask()  # the first one measures the latency that the second one knows
        started, used, count = time.monotonic(), time.process_time(), 0
        while time.monotonic() < started + seconds:
            count += ask()
        return f"{count / (time.monotonic() - started):,.0f} ({1000 * (time.process_time() - used) / count:.3f})"


if __name__ == "__main__":
    main()
