"""The latest events, shared by all streams of a process.

Each stream has its own position. One that is further behind than the events kept reads from the database until it has
caught up, so that neither a burst nor a slow client ends a stream or takes memory.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

_MOST_KEPT: Final = 5_000


@dataclass(frozen=True, slots=True)
class Message:
    """An event as sent in a stream, with the fields to filter by."""

    id: str
    type: str
    kind: str
    account: str
    text: str

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """Convert an event's payload."""
        data = json.dumps(payload, ensure_ascii=False)
        text = f"id: {payload['id']}\nevent: {payload['type']}\ndata: {data}\n\n"
        return cls(payload["id"], payload["type"], payload["kind"], payload["account"], text)


class EventTail:
    """The latest messages, numbered from 0. Used only in the event loop."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        """Start empty."""
        self._kept: deque[Message] = deque(maxlen=most)
        self._changed = asyncio.Event()
        self.end = 0

    def append(self, messages: Iterable[Message]) -> None:
        """Add messages, and drop the oldest."""
        before = self.end
        for message in messages:
            self._kept.append(message)
            self.end += 1
        if self.end > before:
            self._changed.set()
            self._changed = asyncio.Event()

    def after(self, position: int, limit: int = 500) -> list[Message] | None:
        """Return the messages from a number on, or None if some of them were dropped."""
        start = position - (self.end - len(self._kept))
        return None if start < 0 else list(islice(self._kept, start, start + limit))

    async def wait(self, position: int, seconds: float) -> None:
        """Return when the message with this number exists, or the time is over."""
        if self.end > position:
            return
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
