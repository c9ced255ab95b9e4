"""Values with a format: keys, hosts, paths. Each is normalized or refused."""

import re
from typing import Final

from worker.domain.intake.identifiers import is_api_key

# A name, an IPv4 address, or an IPv6 address, which has at least two colons.
_IN_QUOTES: Final = re.compile(r"[\"'`<{\[]|\$[{(A-Za-z]")


def api_key(what: str, text: str) -> str:
    """Return a key without surrounding spaces. Raises ValueError, which does not contain it."""
    key = text.strip()
    if key.lower().startswith("bearer "):
        raise ValueError(f"{what} begins with Bearer, which is added to it; write the key alone")
    if not is_api_key(key):
        raise ValueError(f"{what} is empty, or has spaces, line breaks or characters that no key has")
    if _IN_QUOTES.match(key):
        raise ValueError(f"{what} is in quotes, or is a placeholder that nothing has replaced; write the key alone")
    return key


def web_host(text: str) -> str:
    """Return an address or a name to listen on, IPv6 without its brackets. Raises ValueError."""
    host = text.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not re.fullmatch(r"[\w.-]+|[0-9A-Fa-f:.]+(%[\w.-]+)?", host) or re.fullmatch(r"[^:]*:\d*", host):
        raise ValueError(
            "an address or a name alone, such as 127.0.0.1, 0.0.0.0 or ::; the port is RENDERWATCH_WEB_PORT"
        )
    return host


def root_path(text: str) -> str:
    """Return a path that starts but does not end with a slash, or an empty string. Raises ValueError."""
    path = text.strip().rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError("a path that begins with a slash, without a host, such as /renderwatch")
    return path
