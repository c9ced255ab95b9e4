"""Reading the bodies of requests: limited per request, per caller and per process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

_SECONDS: Final = 30
# Bodies up to this size are not counted: a connection buffers as much anyway.
_SMALL: Final = 64 * 1024
# The number of bodies of the maximum size in memory at once; half of them may be one caller's.
_LARGE_AT_ONCE: Final = 8


class BodyError(Exception):
    """A refused body, with an HTTP status, a code for programs, and a sentence for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        """Create the error with its reason."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class RequestBodies:
    """Reads the bodies of this process's requests. Large ones wait until there is memory for them."""

    def __init__(self, longest: int, seconds: float = _SECONDS) -> None:
        """Accept bodies of at most ``longest`` bytes."""
        self._longest = longest
        self._seconds = seconds
        self._free = _LARGE_AT_ONCE
        self._taken: Counter[object] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive, caller: object) -> AsyncIterator[bytes]:
        """Yield a request's body, and count its memory while the context lasts. Raises BodyError."""
        length = Headers(scope=scope).get("content-length", "")
        known = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None  # noqa: PLR2004  digits
        if known is not None and known > self._longest:
            raise self._too_large()
        if known is not None and known <= _SMALL:
            yield await self._receive(receive, known)
            return
        await self._enter(caller)
        try:
            yield await self._receive(receive, self._longest)
        finally:
            async with self._changed:
                self._free += 1
                self._taken[caller] -= 1
                self._changed.notify_all()

    async def _enter(self, caller: object) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._changed:
                await self._changed.wait_for(lambda: self._free and self._taken[caller] < _LARGE_AT_ONCE // 2)
                self._free -= 1
                self._taken[caller] += 1
        except TimeoutError:
            detail = "too many large bodies are being read; send it again later, or send fewer projects at once"
            raise BodyError(503, "busy", detail) from None

    async def _receive(self, receive: Receive, longest: int) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > longest:
                        raise self._too_large()
        except TimeoutError:
            detail = f"the body did not arrive within {self._seconds:g} seconds"
            raise BodyError(408, "too_slow", detail) from None
        return bytes(body)

    def _too_large(self) -> BodyError:
        return BodyError(413, "too_large", f"send at most {self._longest} bytes at once")
