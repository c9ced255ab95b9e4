"""How often somebody may ask: a token bucket for each, in this process, and for a bounded number of them."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_MOST: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """Allows each key ``burst`` requests at once and ``rate`` a second in the long run."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with everybody's bucket full."""
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[object, _Bucket] = OrderedDict()

    def take(self, key: object, cost: float = 1.0) -> float:
        """Take from a key's bucket. Returns 0, or after how many seconds it may ask again."""
        bucket = self._filled(key)
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / self._rate
        bucket.tokens -= cost
        return 0.0

    def wait(self, key: object) -> float:
        """Return after how many seconds a key may ask again, and take nothing."""
        return max(0.0, (1.0 - self._filled(key).tokens) / self._rate)

    def _filled(self, key: object) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(key, None) or _Bucket(float(self._burst), now)
        bucket.tokens = min(float(self._burst), bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        self._buckets[key] = bucket  # the latest at the end, so that the longest unused one is forgotten first
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return bucket
