"""The synchronous client, on requests."""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import requests
from requests.auth import AuthBase

from worker.client import steps
from worker.client.connection import Connection, connect_to, no_reply
from worker.client.event_stream import EventReader
from worker.client.events import Event
from worker.client.projects import Notify, Project, Tracked, TrackedMany, request_of
from worker.client.steps import Pause, Reply, Steps, Until

T = TypeVar("T")
_READ_SIZE: Final = None  # whatever has arrived


class Renderwatch:
    """A client of one Renderwatch. Not thread-safe; close it, or use it as a context manager."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """Use the API at a URL, with a token from ``renderwatch tokens create``.

        Without them, RENDERWATCH_URL and RENDERWATCH_TOKEN are used. ``timeout`` is in seconds, for each answer. Raises
        InvalidInputError when one is missing or is no URL.
        """
        self._connection = connect_to(url, token)
        self._timeout = timeout
        self._session = requests.Session()
        self._session.auth = _Bearer(self._connection)  # .netrc would replace a plain header
        self._session.headers["User-Agent"] = self._connection.user_agent

    def track(
        self,
        project: object,
        *,
        kind: str | None = None,
        account: str | None = None,
        credits_charged: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        notify: Notify | None = None,
        type: str | None = None,  # noqa: A002  the field's name
    ) -> Tracked:
        """Track a project until it is settled. Tracking it again is harmless.

        ``project`` is what a create call of Magic Hour returned, as its SDK's object or as a dict, or an id. ``kind``
        (video, image or audio) is needed where that does not tell it. With its ``type``, such as AI_IMAGE, the first
        check is planned. When this returns, the project is stored.
        Raises RejectedError, TokenError, UnavailableError, and InvalidInputError for what is no project.
        """
        request = request_of(
            project,
            kind=kind,
            account=account,
            credits_charged=credits_charged,
            metadata=metadata,
            notify=notify,
            type_=type,
        )
        return self._run(steps.track(request))

    def track_many(self, projects: Iterable[object], *, kind: str | None = None) -> TrackedMany:
        """Track any number of projects, each as ``track`` takes it: a response, an id, or a dict with more fields.

        Good ones are tracked, and ``rejected`` says what is wrong with the others.
        """
        return self._run(steps.track_many(projects, kind))

    def get(self, kind: str, project_id: str) -> Project:
        """Return a project as it was last seen. Raises NotTrackedError."""
        return self._run(steps.get(kind, project_id))

    def wait(self, kind: str, project_id: str, *, until: Until = "finished", timeout: float | None = None) -> Project:
        """Return a project once its render has ended, or once it is settled: its credits are final.

        It may have ended badly: look at ``status``, and at ``close_reason``. ``timeout`` is in seconds; None waits as
        long as it takes. Raises WaitTimeoutError, NotTrackedError, and UnavailableError when the API is away for long.
        """
        return self._run(steps.wait(kind, project_id, until, timeout))

    def events(
        self,
        since: str | None = None,
        *,
        types: Sequence[str] = (),
        kinds: Sequence[str] = (),
        account: str | None = None,
    ) -> Generator[Event, None, None]:
        """Return a generator of events as they happen, without end, each at least once; a lost connection is resumed.

        It is connected when this returns, so whatever happens from then on is in it. ``since`` is the id of the last
        event that you have processed: then everything after it comes first. Raises ApiError: with the code
        ``unknown_event`` when that one is not stored any more.
        """
        params = {"type": list(types), "kind": list(kinds), "account": account}
        stream = self._events(EventReader(since), params)
        next(stream)
        return _only_events(stream)

    def _events(self, reader: EventReader, params: Mapping[str, Any]) -> Generator[Event | None, None, None]:
        """Yield None once the stream is connected and no event can be missed, and then events."""
        is_told = False
        while True:
            reply = None
            try:
                with self._session.get(
                    f"{self._connection.url}/v1/events",
                    params=params,
                    headers=reader.headers(),
                    timeout=(10, self._timeout),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    if response.status_code != requests.codes.ok:
                        reply = _reply(response)
                    else:
                        for received in response.iter_content(_READ_SIZE):
                            events = list(reader.feed(received))
                            if not is_told and (reader.is_subscribed or events):
                                is_told = True
                                yield None
                            yield from events
            except requests.RequestException as error:
                reply = no_reply(self._connection, error)
            time.sleep(reader.lost(reply))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        """Return the client; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def _run(self, todo: Steps[T]) -> T:
        try:
            step = next(todo)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(todo)
                else:
                    step = todo.send(self._send(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, call: steps.Call) -> Reply:
        try:
            response = self._session.request(
                call.method,
                self._connection.url + call.path,
                params=call.params,
                json=call.body,
                timeout=(10, self._timeout),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return no_reply(self._connection, error)
        return _reply(response)


def _only_events(stream: Generator[Event | None, None, None]) -> Generator[Event, None, None]:
    try:
        for event in stream:
            if event is not None:
                yield event
    finally:
        stream.close()


def _reply(response: requests.Response) -> Reply:
    return Reply(response.status_code, response.content, response.headers.get("Retry-After"))


class _Bearer(AuthBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._connection.authorization())
        return request
