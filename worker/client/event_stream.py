"""Parsing a stream of server-sent events, and resuming it."""

import json
from collections.abc import Iterator
from typing import Any, Final

from worker.client.errors import RETRIED, ApiError
from worker.client.events import Event, parse_event
from worker.client.steps import ATTEMPTS, Reply, answer_of, pause

# The API repeats the last minute or so when a stream is resumed.
_MOST_REMEMBERED: Final = 20_000
_LONGEST_LINE: Final = 16 * 1024 * 1024


class EventReader:
    """The events of one stream, across reconnections. Recent events are deduplicated."""

    def __init__(self, since: str | None) -> None:
        """Start after the event with this id; None starts with new events."""
        self.last_id = since
        self.is_subscribed = False
        self._given: dict[str, None] = {}
        self._was_there, self._failures = False, 0
        self._reset()

    def _reset(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._id: str | None = None

    def headers(self) -> dict[str, str]:
        """Reset the parser, and return the headers of the next connection."""
        self._reset()
        resume = {"Last-Event-ID": self.last_id} if self.last_id else {}
        return {"Accept": "text/event-stream", "Cache-Control": "no-store", **resume}

    def lost(self, reply: Reply | None) -> float:
        """Return the seconds before the next connection; ``reply`` says why there was no stream.

        Raises ApiError for what will not pass, and when the API has not been there at all.
        """
        self._failures += 1
        if reply and (reply.status not in RETRIED or (not self._was_there and self._failures == ATTEMPTS)):
            answer_of(reply, "GET /v1/events")
        return pause(self._failures, reply.retry_after if reply else None)

    def feed(self, received: bytes) -> Iterator[Event]:
        """Yield the events that these bytes complete."""
        self._was_there, self._failures = True, 0
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise _not_renderwatch("a line has no end")
        for line in lines:
            event = self._line(line.removesuffix(b"\r"))
            if event is not None:
                yield event

    def _line(self, line: bytes) -> Event | None:
        if line == b": subscribed":
            self.is_subscribed = True  # no event is missed from now on
        if line:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                self._data.append(value)
            elif name == b"id":
                self._id = value.decode(errors="replace")
            return None
        data, self._data = self._data, []
        try:
            event = self._new(json.loads(b"\n".join(data))) if data else None
        except ValueError as error:
            raise _not_renderwatch(str(error)) from None
        # Only now, so that an incompletely received event is requested again.
        self.last_id = self._id or self.last_id
        return event

    def _new(self, payload: dict[str, Any]) -> Event | None:
        event = parse_event(payload)
        if event.id in self._given:
            return None
        self._given[event.id] = None
        if len(self._given) > _MOST_REMEMBERED:
            del self._given[next(iter(self._given))]
        return event


def _not_renderwatch(reason: str) -> ApiError:
    return ApiError(200, "not_renderwatch", f"GET /v1/events: this is not the event stream of Renderwatch: {reason}")
