"""Notifying waiting clients of changes: one query per second serves all of them.

Without waiting clients, it does not poll. The broadcaster runs in the event loop; only its queries run in a thread.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool

from worker.domain.log_events import event
from worker.store.deliveries import event_stream
from worker.store.deliveries.event_stream import Key, Place, Tail
from worker.store.engine import Database, StoreUnavailableError
from worker.web.gate.client_limits import Slots
from worker.web.streams.event_tail import EventTail, Message

_EVERY: Final = 1.0
_LOG: Final = logging.getLogger("renderwatch.web")

_Future = asyncio.Future[None]


class ChangeBroadcaster:
    """Shared by all waiting clients of this process. ``key`` is the id of the token whose slot a client takes."""

    def __init__(self, database: Database, every: float = _EVERY) -> None:
        """Do not poll yet."""
        self._database = database
        self._every = every
        self._waiters: dict[Key, dict[_Future, str | None]] = {}
        self._watchers: set[asyncio.Event] = set()
        self._needed = asyncio.Event()
        self._change: tuple[int, ...] | None = None
        self._followed: Tail | None = None
        self._following = asyncio.Event()
        self.waits = Slots(10_000, 2_500)
        self.streams = Slots(1_000, 200)
        self.pages = Slots(1_000, 200)
        self.events = EventTail()
        self.polls = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll for changes while the context lasts."""
        task = asyncio.create_task(self._poll_forever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def wait_for_status(self, project: Key, seen: str | None, seconds: float, key: object) -> None:
        """Return when a project's status differs from ``seen``, or the time is over.

        Raises NoSlotError.
        """
        with self.waits.taken(key):
            future: _Future = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(project, {})[future] = seen
            self._needed.set()
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await future
            finally:
                del self._waiters[project][future]
                if not self._waiters[project]:
                    del self._waiters[project]

    @asynccontextmanager
    async def subscribed(self, key: object) -> AsyncIterator[tuple[int, Place]]:
        """Yield the position in ``events`` and the place in the feed from which all further events come.

        Raises NoSlotError.
        """
        with self.streams.taken(key):
            self._needed.set()
            while self._followed is None:
                await self._following.wait()
            yield self.events.end, (self._followed.position, "")

    @contextmanager
    def watching(self, key: object) -> Iterator[asyncio.Event]:
        """Yield an event that is set at every change of a status, credits or operator action. Raises NoSlotError."""
        with self.pages.taken(key):
            changed = asyncio.Event()
            self._watchers.add(changed)
            self._needed.set()
            try:
                yield changed
            finally:
                self._watchers.discard(changed)

    async def _poll_forever(self) -> None:
        while True:
            await self._needed.wait()
            if not self.streams.count:
                self._followed = None
                self._following.clear()
            if not (self._waiters or self.streams.count or self._watchers):
                self._needed.clear()
                self._change = None
                continue
            more = False
            try:
                more = await self._poll()
            except StoreUnavailableError as error:
                _LOG.warning("clients that wait for changes get none now: %s", error, extra=event("changes_not_read"))
            except Exception:  # noqa: BLE001  whatever it is, later clients must be served
                _LOG.exception("clients that wait for changes get none now", extra=event("changes_not_read"))
            await asyncio.sleep(0 if more else self._every)

    async def _poll(self) -> bool:
        """Poll once. Returns whether there are more events to read."""
        self.polls += 1
        found = await run_in_threadpool(
            self._read,
            list(self._waiters),
            self._followed,
            events=bool(self.streams.count),
            changes=bool(self._watchers),
        )
        for project, (status, _) in found.statuses.items():
            for future, seen in self._waiters.get(project, {}).items():
                if status != seen and not future.done():
                    future.set_result(None)
        if found.followed is not None:
            self.events.append(found.messages)
            self._followed = found.followed
            self._following.set()
        if self._change is not None and found.change is not None and found.change != self._change:
            for watcher in self._watchers:
                watcher.set()
        self._change = found.change
        return found.more

    def _read(self, projects: list[Key], followed: Tail | None, *, events: bool, changes: bool) -> "_Found":
        with self._database.read() as connection:
            statuses = event_stream.read_statuses(connection, projects)
            change = event_stream.last_change(connection) if changes else None
            if not events:
                return _Found(statuses, change)
            if followed is None:
                return _Found(statuses, change, event_stream.begin_tail(connection))
            tail, payloads, more = event_stream.follow(connection, followed)
            return _Found(statuses, change, tail, [Message.of(payload) for payload in payloads], more)


@dataclass(frozen=True)
class _Found:
    statuses: dict[Key, tuple[str | None, str]]
    change: tuple[int, ...] | None
    followed: Tail | None = None
    messages: Sequence[Message] = ()
    more: bool = False
