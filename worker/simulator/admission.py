"""The middleware that every API request passes: the request log, the key check and the response counter."""

from collections import Counter
from collections.abc import Callable, Collection

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNAUTHORIZED = JSONResponse({"message": "Unauthorized"}, status_code=401)


class Gate:
    """ASGI middleware around the vendor's paths; the simulator's own paths need no key and are not counted."""

    def __init__(
        self, app: ASGIApp, api_keys: Collection[str] | None, answers: Counter[int], note: Callable[[str], None]
    ) -> None:
        """Accept the given keys, or any if None; pass each key to `note`, and count the responses by status."""
        self._app = app
        self._note = note
        self._api_keys = api_keys
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 401, or pass the request on."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers[message["status"]] += 1
            await send(message)

        key = _bearer_key(scope)
        self._note(key)
        await (self._app if self._admits(key) else UNAUTHORIZED)(scope, receive, count)

    def _admits(self, key: str) -> bool:
        return bool(key) and (self._api_keys is None or key in self._api_keys)


def _bearer_key(scope: Scope) -> str:
    """Return the API key of a request; empty if there is none."""
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
