"""The headers by which tracing systems link what services do: W3C Trace Context, W3C Baggage, and Sentry's.

They come with a tracking request, are kept with its project, and go out with its events. Headers that
violate their standard are dropped; the request is still accepted.
"""

import re
from collections.abc import Mapping
from typing import Final

Trace = Mapping[str, str]
"""The headers of one request, by their names in lower case."""

NAMES: Final = ("traceparent", "tracestate", "baggage", "sentry-trace")
# Of a later version only these parts are kept, as the standard says.
_TRACEPARENT: Final = re.compile(
    r"((?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-[\x21-\x7e]{0,200})?"
)
_SENTRY_TRACE: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}(-[01])?")
_MEMBERS: Final = re.compile(r"[\t\x20-\x7e]*")
# W3C's minimum to propagate, which is also our maximum: bytes, and members of the list.
_STATE_LIMITS: Final = (512, 32)
_BAGGAGE_LIMITS: Final = (8192, 64)
_LONGEST: Final = 64 * 1024


def read_trace_headers(headers: Mapping[str, object]) -> Trace:
    """Return the valid ones of a message's or a request's headers. Celery's may be nested in one called ``headers``."""
    nested = headers.get("headers")
    given = {**headers, **nested} if isinstance(nested, Mapping) else headers
    texts = {name: text for name in NAMES if isinstance(text := given.get(name), str) and len(text) <= _LONGEST}
    kept: dict[str, str] = {}
    parent = _TRACEPARENT.fullmatch(texts.get("traceparent", "").strip())
    if parent and not (parent[2] and parent[1].startswith("00")):
        kept["traceparent"] = parent[1]
        if state := _members(texts.get("tracestate", ""), *_STATE_LIMITS):
            kept["tracestate"] = state
    if baggage := _members(texts.get("baggage", ""), *_BAGGAGE_LIMITS):
        kept["baggage"] = baggage
    if _SENTRY_TRACE.fullmatch(sentry := texts.get("sentry-trace", "").strip()):
        kept["sentry-trace"] = sentry
    return kept


def _members(text: str, longest: int, most: int) -> str:
    """Return a list with as many of its first members as the limits allow."""
    if not _MEMBERS.fullmatch(text):
        return ""
    members = [member.strip() for member in text.split(",") if "=" in member][:most]
    while members and len(",".join(members)) > longest:
        members.pop()
    return ",".join(members)
