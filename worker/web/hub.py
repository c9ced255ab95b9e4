"""Those who wait for something new: however many they are, one look into the database a second serves them all.

Nobody waiting, nobody looking. The hub lives in the event loop; only its looks run in a thread.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from worker.store import arrivals
from worker.store.arrivals import Key
from worker.store.engine import Database, StoreUnavailableError

_EVERY: Final = 1.0
# What a consumer that does not keep up may be behind; beyond it the connection ends, and it can resume.
_MOST_QUEUED: Final = 1_000
MOST_WAITERS: Final = 10_000
MOST_SUBSCRIBERS: Final = 1_000
_LOG: Final = logging.getLogger("renderwatch.web")

Payload = dict[str, Any]
_Future = asyncio.Future[None]


class Overrun(Exception):  # noqa: N818  not an error of ours: the consumer is too slow
    """A consumer did not keep up."""


class FullError(Exception):
    """As many wait already as one process serves."""


@dataclass(eq=False)
class Subscriber:
    """One consumer of events."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    payloads: asyncio.Queue[Payload] = field(default_factory=lambda: asyncio.Queue(_MOST_QUEUED))
    overrun: bool = False

    async def next(self, seconds: float) -> Payload | None:
        """Return the next event, or None when there is none for so long. Raises Overrun."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.payloads.get()
        if self.overrun:
            raise Overrun
        return None

    def offer(self, payload: Payload) -> None:
        """Hand an event over, or note that there was no room for it: then nothing more comes."""
        try:
            if not self.overrun:
                self.payloads.put_nowait(payload)
        except asyncio.QueueFull:
            self.overrun = True


class Hub:
    """What this process's waiters share."""

    def __init__(self, database: Database, every: float = _EVERY) -> None:
        """Wait for nothing yet."""
        self._database = database
        self._every = every
        self._waiters: dict[Key, dict[_Future, str | None]] = {}
        self._waiting = 0
        self._subscribers: set[Subscriber] = set()
        self._watchers: set[asyncio.Event] = set()
        self._needed = asyncio.Event()
        self._change: tuple[int, ...] | None = None
        self._told: dict[str, datetime] | None = None
        self.looks = 0

    @property
    def is_full(self) -> bool:
        """Whether no further subscriber can be served."""
        return len(self._subscribers) >= MOST_SUBSCRIBERS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for news while the context lasts."""
        task = asyncio.create_task(self._look_for_ever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def wait_for_status(self, key: Key, seen: str | None, seconds: float) -> None:
        """Return when a project's status is another than the one that was seen, or the time is over.

        Raises FullError.
        """
        if self._waiting >= MOST_WAITERS:
            raise FullError
        future: _Future = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, {})[future] = seen
        self._waiting += 1
        self._needed.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await future
        finally:
            self._waiting -= 1
            del self._waiters[key][future]
            if not self._waiters[key]:
                del self._waiters[key]

    @contextmanager
    def subscribed(self) -> Iterator[Subscriber]:
        """Give a subscriber that gets every event that comes after it is ready. Raises FullError."""
        if self.is_full:
            raise FullError
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        self._needed.set()
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a status, credits or an operator's doing is new. Raises FullError."""
        if len(self._watchers) >= MOST_SUBSCRIBERS:
            raise FullError
        changed = asyncio.Event()
        self._watchers.add(changed)
        self._needed.set()
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    async def _look_for_ever(self) -> None:
        while True:
            await self._needed.wait()
            if not (self._waiters or self._subscribers or self._watchers):
                self._needed.clear()
                self._change = self._told = None
                continue
            try:
                await self._look()
            except StoreUnavailableError as error:
                _LOG.warning("who waits is not served now: %s", error)
            except Exception:  # noqa: BLE001  whatever it is, those who wait later must be served
                _LOG.exception("who waits is not served now")
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        self.looks += 1
        subscribers = list(self._subscribers)
        found = await run_in_threadpool(
            self._read, list(self._waiters), self._told, events=bool(subscribers), changes=bool(self._watchers)
        )
        for key, (status, _) in found.statuses.items():
            for future, seen in self._waiters.get(key, {}).items():
                if status != seen and not future.done():
                    future.set_result(None)
        for subscriber in subscribers:
            for payload in found.payloads:
                subscriber.offer(payload)
            subscriber.ready.set()
        if self._change is not None and found.change is not None and found.change != self._change:
            for watcher in self._watchers:
                watcher.set()
        self._told, self._change = found.told, found.change

    def _read(self, keys: list[Key], told: dict[str, datetime] | None, *, events: bool, changes: bool) -> "_Found":
        with self._database.read() as connection:
            statuses = arrivals.read_statuses(connection, keys)
            change = arrivals.last_change(connection) if changes else None
            if not events:
                return _Found(statuses, change, [], None)
            recent = dict(arrivals.events_since(connection, arrivals.now_of(connection) - arrivals.OVERLAP))
            fresh = [] if told is None else [event_id for event_id in recent if event_id not in told]
            return _Found(statuses, change, arrivals.read_payloads(connection, fresh), recent)


@dataclass(frozen=True)
class _Found:
    statuses: dict[Key, tuple[str | None, str]]
    change: tuple[int, ...] | None
    payloads: list[Payload]
    told: dict[str, datetime] | None
