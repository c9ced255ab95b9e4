import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.client.conftest import settle
from tests.store.world import seen, track
from tests.support.event_schemas import check_payload
from tests.support.processes import wait_for
from tests.web.conftest import Served, answer_all, served
from worker.client import ApiError, AsyncRenderwatch, Event, Renderwatch, SettledEvent, StalledEvent, parse_event
from worker.client.event_stream import EventReader
from worker.domain.projects.example_events import example_payload
from worker.store.engine import Database
from worker.store.models import Event as StoredEvent

ANSWERS = (seen("queued"), seen("rendering"), seen("complete", 360))


class Listener:
    """Receives events in a thread of its own."""

    def __init__(self, open_stream: Callable[[], Iterator[Event]]) -> None:
        self.events: list[Event] = []
        self.error: Exception | None = None
        self._open = open_stream
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for event in self._open():
                self.events.append(event)
        except Exception as error:  # noqa: BLE001  shown by the test
            self.error = error

    def has(self, count: int) -> list[Event]:
        wait_for(lambda: len(self.events) >= count or self.error, 60, f"{count} events", lambda: self.events)
        if self.error:
            raise self.error
        assert len({event.id for event in self.events}) == len(self.events)
        return self.events


def is_listened_to(web: Served) -> None:
    wait_for(lambda: web.state.broadcaster.streams.count, 30, "the stream is connected")


def test_events_come_as_they_happen_and_typed(client: Renderwatch, web: Served) -> None:
    listener = Listener(lambda: client.events(types=["project.completed", "project.settled"]))
    is_listened_to(web)
    track(web.database, 1)
    answer_all(web.database, *ANSWERS)
    settle(web.database, 360)
    completed, settled = listener.has(2)
    assert (completed.type, completed.credits_before, completed.credits_after) == ("project.completed", 450, 360)
    assert isinstance(settled, SettledEvent)
    assert (settled.credits_outstanding, settled.is_example) == (0, False)
    check_payload(settled.model_dump(mode="json"))


def test_a_stream_is_resumed_where_its_connection_was_lost(store: Database, token: str) -> None:
    track(store, 1)
    answer_all(store, seen("queued"))  # an event, credits_adjusted, that happened before anybody listened
    with served(store) as web:
        port = int(web.url.rpartition(":")[2])
        listener = Listener(lambda: Renderwatch(web.url, token).events())
        is_listened_to(web)
    # Nobody serves, and nothing has been received yet: what happens now must not be lost.
    answer_all(store, seen("rendering"))
    with served(store, port=port) as web:
        is_listened_to(web)
        answer_all(store, seen("complete", 360))
        wait_for(lambda: "project.completed" in {event.type for event in listener.events}, 60, "the latest event")
    types = [event.type for event in listener.has(3)]
    assert types[-3:] == ["project.started", "project.completed", "project.credits_adjusted"]


def test_who_says_what_it_has_receives_what_came_since(client: Renderwatch, web: Served) -> None:
    track(web.database, 1)
    answer_all(web.database, *ANSWERS)
    with web.database.read() as connection:
        ids = list(connection.scalars(StoredEvent.__table__.select().with_only_columns(StoredEvent.id)))
    stream = client.events(since=min(ids))
    assert [next(stream).sequence for _ in range(len(ids) - 1)] == [2, 3, 4]
    stream.close()


def test_an_event_that_is_not_stored_is_no_place_to_resume_from(client: Renderwatch) -> None:
    with pytest.raises(ApiError, match="retention may have removed it") as unknown:
        next(client.events(since="01937a5e-7c00-7000-8000-3f5c1d2e4a6b"))
    assert unknown.value.code == "unknown_event"


def test_the_asynchronous_client_receives_them_too(web: Served, token: str) -> None:
    async def first() -> Event:
        async with AsyncRenderwatch(web.url, token) as client:
            async for event in client.events(kinds=["video"]):
                return event
        raise AssertionError("the stream ended")

    def happen() -> None:
        is_listened_to(web)
        track(web.database, 1)
        answer_all(web.database, *ANSWERS)

    threading.Thread(target=happen, daemon=True).start()
    assert asyncio.run(asyncio.wait_for(first(), 60)).type == "project.credits_adjusted"


def test_a_stream_is_read_however_it_is_cut_into_pieces() -> None:
    one, two = (example_payload("project.started", each) for each in ("1", "2"))
    text = "".join(f"id: {each['id']}\r\ndata: {parse_event(each).model_dump_json()}\r\n\r\n" for each in (one, two))
    body = f": connected\n\nid: 0\n\n{text}id: 3\ndata: {{".encode()
    for size in (1, 7, len(body)):
        reader = EventReader(None)
        events = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
        assert [event.id for event in events] == ["1", "2"]
        assert events[0].name == "Sunset over the sea"
        assert reader.headers()["Last-Event-ID"] == "2"  # the third did not come whole
        assert list(reader.feed(body)) == []  # each once


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: {}\n\n", b"data: []\n\n"])
def test_a_stream_of_something_else_is_an_error_of_the_client(body: bytes) -> None:
    with pytest.raises(ApiError, match="not the event stream of Renderwatch"):
        list(EventReader(None).feed(body))


def test_events_of_the_first_version_and_of_versions_to_come_are_read() -> None:
    payload = example_payload("project.stalled", "1")
    new = ("name", "width", "height", "fps", "start_seconds", "end_seconds", "image_count", "created_at")
    old = {key: value for key, value in payload.items() if key not in {*new, "expected_credits", "tracked_by"}}
    assert parse_event(old | {"schema_version": 1}).name is None
    assert isinstance(parse_event(payload), StalledEvent)
    future = parse_event(payload | {"schema_version": 9, "type": "project.painted", "colour": "red"})
    assert (future.type, future.model_extra) == (
        "project.painted",
        {"colour": "red"} | {key: payload[key] for key in ("reason", "stalled_because")},
    )
    assert parse_event(payload | {"example": True}).is_example
