"""The asynchronous client, on httpx."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worker.client import steps
from worker.client.connection import connect_to, no_reply
from worker.client.event_stream import EventReader
from worker.client.events import Event
from worker.client.projects import Notify, Project, Tracked, TrackedMany, request_of
from worker.client.steps import Pause, Reply, Steps, Until

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncRenderwatch:
    """The same as Renderwatch, for asyncio. It needs httpx: ``pip install "renderwatch[async]"``."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """Use the API at a URL, with a token; see Renderwatch. Raises ImportError when httpx is not installed."""
        try:
            import httpx  # noqa: PLC0415  optional
        except ImportError:
            raise ImportError('AsyncRenderwatch needs httpx: pip install "renderwatch[async]"') from None
        self._connection = connect_to(url, token)
        self._lost = httpx.TransportError
        self._http = httpx.AsyncClient(
            headers={"User-Agent": self._connection.user_agent} | self._connection.authorization(),
            timeout=httpx.Timeout(timeout, connect=10),
        )

    async def track(
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
        """Track a project until it is settled; see Renderwatch.track."""
        request = request_of(
            project,
            kind=kind,
            account=account,
            credits_charged=credits_charged,
            metadata=metadata,
            notify=notify,
            type_=type,
        )
        return await self._run(steps.track(request))

    async def track_many(self, projects: Iterable[object], *, kind: str | None = None) -> TrackedMany:
        """Track any number of projects; see Renderwatch.track_many."""
        return await self._run(steps.track_many(projects, kind))

    async def get(self, kind: str, project_id: str) -> Project:
        """Return a project as it was last seen. Raises NotTrackedError."""
        return await self._run(steps.get(kind, project_id))

    async def wait(
        self,
        kind: str,
        project_id: str,
        *,
        until: Until = "finished",
        timeout: float | None = None,  # noqa: ASYNC109  as in the synchronous client; the error contains the project
    ) -> Project:
        """Return a project once its render has ended, or once it is settled; see Renderwatch.wait."""
        return await self._run(steps.wait(kind, project_id, until, timeout))

    async def events(
        self,
        since: str | None = None,
        *,
        types: Sequence[str] = (),
        kinds: Sequence[str] = (),
        account: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield events as they happen, without end; see Renderwatch.events. It connects with the first iteration."""
        reader = EventReader(since)
        params: dict[str, Any] = {"type": list(types), "kind": list(kinds)} | ({"account": account} if account else {})
        while True:
            reply = None
            try:
                async with self._http.stream(
                    "GET", f"{self._connection.url}/v1/events", params=params, headers=reader.headers()
                ) as response:
                    if response.status_code != 200:  # noqa: PLR2004  success
                        reply = _reply(response, await response.aread())
                    else:
                        async for received in response.aiter_bytes():
                            for event in reader.feed(received):
                                yield event
            except self._lost as error:
                reply = no_reply(self._connection, error)
            await asyncio.sleep(reader.lost(reply))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client; it is closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def _run(self, todo: Steps[T]) -> T:
        try:
            step = next(todo)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(todo)
                else:
                    step = todo.send(await self._send(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, call: steps.Call) -> Reply:
        try:
            response = await self._http.request(
                call.method, self._connection.url + call.path, params=dict(call.params), json=call.body
            )
        except self._lost as error:
            return no_reply(self._connection, error)
        return _reply(response, response.content)


def _reply(response: "httpx.Response", body: bytes) -> Reply:
    return Reply(response.status_code, body, response.headers.get("Retry-After"))
