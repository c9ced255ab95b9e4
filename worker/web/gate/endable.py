"""A response that can be finished from outside, whether or not it has begun."""

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


class EndableResponse:
    """Passes messages on, and remembers whether the response has begun."""

    def __init__(self, send: Send) -> None:
        """Pass messages on to ``send``."""
        self._send = send
        self._has_begun = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        self._has_begun = self._has_begun or message["type"] == "http.response.start"
        await self._send(message)

    async def end(self, scope: Scope, receive: Receive, otherwise: Response) -> None:
        """End the response where it is; send ``otherwise`` if it has not begun."""
        if self._has_begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await otherwise(scope, receive, self._send)
