"""An HTTPS endpoint that costs little: it answers every POST with 204.

python -m benchmarks.speed.endpoint CERTIFICATE

Prints its port.
"""

import asyncio
import re
import ssl
import sys
from typing import Final

_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Endpoint(asyncio.Protocol):
    """One connection: a request is answered when all of it is there."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole or self._transport is None:
                return
            self._received = self._received[whole:]
            self._transport.write(_ANSWER)


async def serve(certificate: str) -> None:
    """Listen, say where, and answer until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
