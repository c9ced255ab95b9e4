"""Doing the same for many items at the same time, with as many threads as their waiting is worth.

Threads that wait for an API cost little; threads that have nothing to wait for only take the interpreter from each
other. So their number follows from how long an item took lately.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

# Seconds in which one thread may as well do it all.
_SHORTLY: Final = 0.1

Item = TypeVar("Item")
Result = TypeVar("Result")


class FanOut:
    """At most so many threads, kept from one time to the next. Not for several callers at once, nor across a fork."""

    def __init__(self, most: int) -> None:
        """Start nothing yet."""
        self._most = most
        self._pool = ThreadPoolExecutor(most, "check")
        self._each = math.inf  # seconds; nothing is known, so expect the worst

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the result for each item, in no particular order. Raises what ``work`` raises."""
        left = deque(items)
        count = len(left)
        if not count:
            return []
        threads = max(1, int(min(count, self._most, 1 + count * self._each / _SHORTLY)))
        results: list[Result] = []

        def run() -> float:
            started = time.monotonic()
            while True:
                try:
                    item = left.popleft()
                except IndexError:
                    return time.monotonic() - started
                results.append(work(item))

        try:
            futures = [self._pool.submit(run) for _ in range(threads - 1)]
            busy = run() + sum(future.result() for future in futures)
        finally:
            left.clear()  # whoever interrupts us wants no more of it
        self._each = busy / count
        return results

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
