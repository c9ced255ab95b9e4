"""Limits for clients of this process: requests per second, and slots for long-lived requests."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_MOST: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class ClientRateLimit:
    """Allows each key ``burst`` requests at once and ``rate`` a second in the long run."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with full buckets."""
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def consume(self, key: object, cost: float = 1.0) -> float:
        """Take tokens from a key's bucket. Returns 0, or the seconds to wait."""
        bucket = self._filled(key)
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / self._rate
        bucket.tokens -= cost
        return 0.0

    def wait(self, key: object) -> float:
        """Return the seconds that a key must wait, without taking a token."""
        return max(0.0, (1.0 - self._filled(key).tokens) / self._rate)

    def _filled(self, key: object) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(key, None) or _Bucket(float(self._burst), now)
        bucket.tokens = min(float(self._burst), bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        self._buckets[key] = bucket  # the most recent at the end, so that the least recently used one is evicted
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return bucket


class NoSlotError(Exception):
    """All slots are taken: those of one caller, or those of the process."""

    def __init__(self, *, own: bool) -> None:
        """``own``: the caller's slots are taken."""
        super().__init__("all slots are taken")
        self.own = own


class Slots:
    """A limited number of slots for long-lived requests in this process, and fewer for each caller."""

    def __init__(self, total: int, for_each: int) -> None:
        """Start with all slots free."""
        self._total = total
        self._for_each = for_each
        self._taken: Counter[object] = Counter()
        self.count = 0

    def check(self, key: object) -> None:
        """Raise NoSlotError if a caller cannot have a slot."""
        if self._taken[key] >= self._for_each:
            raise NoSlotError(own=True)
        if self.count >= self._total:
            raise NoSlotError(own=False)

    @contextmanager
    def taken(self, key: object) -> Iterator[None]:
        """Take a slot while the context lasts. Raises NoSlotError."""
        self.check(key)
        self._taken[key] += 1
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
