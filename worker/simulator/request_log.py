"""The times of all requests, so that a test can count them in any window."""

from collections import deque
from hashlib import sha256
from typing import Final

KEPT: Final = 1_000_000
MOST_KEYS: Final = 1000


class RequestLog:
    """The times (epoch seconds) of the latest million requests of each API key. Only digests of the keys are stored."""

    def __init__(self) -> None:
        """Start empty."""
        self._times: dict[str, deque[float]] = {}

    def note(self, api_key: str, at: float) -> None:
        """Record a request. Beyond a thousand keys, further ones share an entry."""
        name = fingerprint(api_key)
        if name not in self._times and len(self._times) >= MOST_KEYS:
            name = "others"
        self._times.setdefault(name, deque(maxlen=KEPT)).append(at)

    def times(self) -> dict[str, list[float]]:
        """Return the times of each key's requests, oldest first, by the key's fingerprint."""
        return {name: list(times) for name, times in list(self._times.items())}


def fingerprint(api_key: str) -> str:
    """Return the key's identifier in the log: the start of its SHA-256."""
    return sha256(api_key.encode()).hexdigest()[:12]
