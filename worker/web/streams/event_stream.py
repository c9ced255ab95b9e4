"""The stream of one client: missed events first, then live ones."""

import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool

from worker.store.deliveries import event_stream
from worker.store.deliveries.event_stream import Place
from worker.store.engine import Database, StoreUnavailableError
from worker.web.gate.client_limits import NoSlotError
from worker.web.streams.change_broadcaster import ChangeBroadcaster
from worker.web.streams.event_tail import Message

# Proxies close connections that are silent for a minute.
_SILENCE: Final = 15.0
# Events read from the feed may be repeated from memory while a poll is running; duplicates are allowed.
_TWICE_FOR: Final = 30.0
_MOST_REMEMBERED: Final = 50_000


class EventStream:
    """The stream of one client, which is not ended for being slow: older events are read from the database."""

    def __init__(
        self,
        database: Database,
        broadcaster: ChangeBroadcaster,
        wanted: Mapping[str, Collection[str]],
        missed_from: Place | None,
        last_event_id: str | None,
    ) -> None:
        """Start at a place in the feed, or with live events. ``wanted`` has each filter's values; none means all."""
        self._database = database
        self._broadcaster = broadcaster
        self._wanted = {name: values for name, values in wanted.items() if values}
        self._missed_from = missed_from
        self._last = last_event_id
        self._sent: dict[str, None] = {last_event_id: None} if last_event_id else {}
        self._remember_until = time.monotonic() + _TWICE_FOR

    async def messages(self, key: object) -> AsyncIterator[str]:
        """Yield server-sent events and comments. ``key`` is the token whose slot it takes."""
        yield ": connected\n\n"
        try:
            async with self._broadcaster.subscribed(key) as (position, place):
                yield ": subscribed\n\n"
                if self._last is None and (latest := await run_in_threadpool(self._latest_id)):
                    # A client that loses its connection before its first event resumes here. No data, so no event.
                    yield f"id: {latest}\n\n"
                async for text in self._follow(position, place):
                    yield text
        except NoSlotError:
            yield ": too many receive events already; connect again later\n\n"
        except StoreUnavailableError:
            yield ": the database cannot be used now; connect again with Last-Event-ID\n\n"

    async def _follow(self, position: int, began: Place) -> AsyncIterator[str]:
        events = self._broadcaster.events
        if self._missed_from:
            async for text in self._from_feed(self._missed_from):
                yield text
        yield ": live\n\n"
        while True:
            fresh = events.after(position)
            if fresh is None:
                position = events.end
                async for text in self._from_feed(await self._place(began)):
                    yield text
                continue
            position += len(fresh)
            for text in self._new(fresh):
                yield text
            if not fresh:
                await events.wait(position, _SILENCE)
                if events.end == position:
                    yield ": nothing new\n\n"

    async def _from_feed(self, place: Place) -> AsyncIterator[str]:
        while True:
            place, messages = await run_in_threadpool(self._read_page, place)
            self._remember_until = time.monotonic() + _TWICE_FOR
            if not messages:
                return
            for text in self._new(messages):
                yield text

    def _latest_id(self) -> str | None:
        with self._database.read() as connection:
            return event_stream.latest_id(connection)

    def _read_page(self, place: Place) -> tuple[Place, list[Message]]:
        with self._database.read() as connection:
            place, payloads = event_stream.read_page(connection, place)
        return place, [Message.of(payload) for payload in payloads]

    async def _place(self, began: Place) -> Place:
        """Return where to continue after the last event sent."""
        if self._last is None:
            return began
        return await run_in_threadpool(place_before, self._database, self._last) or began

    def _new(self, messages: Iterable[Message]) -> Iterator[str]:
        """Yield matching messages that were not sent recently."""
        for message in messages:
            self._last = message.id
            if message.id in self._sent:
                continue
            if time.monotonic() < self._remember_until:
                self._sent[message.id] = None
                if len(self._sent) > _MOST_REMEMBERED:
                    del self._sent[next(iter(self._sent))]
            elif self._sent:
                self._sent.clear()
            if all(getattr(message, name) in values for name, values in self._wanted.items()):
                yield message.text


def place_before(database: Database, event_id: str) -> Place | None:
    """Return where to continue after an event, or None if it is not stored."""
    with database.read() as connection:
        return event_stream.place_before(connection, event_id)
