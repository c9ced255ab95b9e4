"""Reading the head of an answer that looks as nearly all do, without a parser for e-mail.

The standard library has email.parser read the headers of every answer, which is a sixth of all that a check costs. This
reads what is plain to read, comes to what the standard library would (a test with random answers holds it to that), and
leaves everything else to it.
"""

import re
from http.client import HTTPMessage, HTTPResponse
from typing import Any, Final

# HTTP/1.1 with a body, every header on a line of its own and in plain characters (RFC 9112, sections 4 to 6).
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 (200|[45]\d\d) ([!-~]*(?: [!-~]+)*)\r\n((?:[0-9A-Za-z-]+: [!-~]+(?: +[!-~]+)*\r\n)+)\r\n"
)
# Where the body ends, and whether the connection does.
_FRAMING: Final = ("content-length", "transfer-encoding", "connection")


class QuickResponse(HTTPResponse):
    """The answer to a GET request. Attributes and body are those of the standard library's class."""

    def begin(self) -> None:
        """Read the status and the headers."""
        fp: Any = self.fp  # a buffered reader, for which there is no type here
        head = _HEAD.match(fp.peek()) if self.headers is None else None
        if head is None or not self._take(int(head[1]), head[2].decode(), head[3].decode()):
            super().begin()
        else:
            fp.read(head.end())

    def _take(self, status: int, reason: str, lines: str) -> bool:
        """Take over what a head says, unless it says anything unusual of how long the body is."""
        message = HTTPMessage()
        framing: dict[str, str] = {}
        for line in lines.splitlines():
            name, _, value = line.partition(": ")
            message.set_raw(name, value)
            lower = name.lower()
            if lower in framing:
                return False
            if lower in _FRAMING:
                framing[lower] = value
        length, coding = framing.get("content-length"), framing.get("transfer-encoding")
        chunked = coding == "chunked" and length is None
        counted = coding is None and length is not None and length.isdecimal() and len(length) < 16  # noqa: PLR2004  digits
        if framing.get("connection", "keep-alive").lower() != "keep-alive" or not (chunked or counted):
            return False
        self.version, self.status, self.code, self.reason = 11, status, status, reason
        self.headers = self.msg = message
        self.will_close, self.chunked, self.chunk_left = False, chunked, None
        self.length = None if length is None else int(length)
        return True
