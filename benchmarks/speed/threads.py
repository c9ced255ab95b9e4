"""With how many threads a batch is asked for, by how long the API takes to answer.

python -m benchmarks.speed.threads [--transport curl]

One process asks for batches of 100, with fixed numbers of threads and with the number that worker/tracking/fan_out.py
comes to by itself.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.speed.machine import stand_in
from worker.magic_hour.client import MagicHourClient
from worker.tracking.fan_out import FanOut

_DELAYS: Final = (0.0, 0.05, 0.3)  # seconds
_THREADS: Final = (1, 4, 8, 16, 32, 64)
_IDS: Final = [f"project-{n}" for n in range(100)]
_SECONDS: Final = 2.0
_SETTING: Final = 16  # check_concurrency, if nobody says otherwise


def main() -> None:
    """Measure each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transport", choices=("requests", "curl"), default="requests")
    transport = parser.parse_args().transport
    columns = [*(f"{threads} threads" for threads in _THREADS), f"by itself, at most {_SETTING}"]
    print(f"| {transport}: requests/s (ms of CPU each) | {' | '.join(columns)} |")
    print("|---|" + "--:|" * len(columns))
    for delay in _DELAYS:
        with tempfile.TemporaryDirectory() as name, stand_in(Path(name), delay=delay) as api:
            cells = []
            for threads in (*_THREADS, 0):
                with MagicHourClient(
                    api.url, "any-key", timeout=15, connections=threads or _SETTING, transport=transport
                ) as client:
                    cells.append(_chosen(client) if threads == 0 else _fixed(client, threads))
        print(f"| {1000 * delay:.0f} ms | {' | '.join(cells)} |", flush=True)


def _fixed(client: MagicHourClient, threads: int) -> str:
    with ThreadPoolExecutor(threads) as pool:
        return _cost(lambda: sum(1 for _ in pool.map(lambda id_: client.get_project("video", id_), _IDS)))


def _chosen(client: MagicHourClient) -> str:
    fan_out = FanOut(_SETTING)
    try:
        return _cost(lambda: len(fan_out.map(lambda id_: client.get_project("video", id_), _IDS)))
    finally:
        fan_out.close()


def _cost(ask: Callable[[], int]) -> str:
    ask()
    started, used, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() < started + _SECONDS:
        count += ask()
    return f"{count / (time.monotonic() - started):,.0f} ({1000 * (time.process_time() - used) / count:.2f})"


if __name__ == "__main__":
    main()
