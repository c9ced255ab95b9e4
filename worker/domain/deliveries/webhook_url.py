"""Webhook URLs, parsed strictly into a normal form, and the patterns that allow them."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from worker.domain.deliveries.terms import Terms

_SCHEMES: Final = {"https": 443, "http": 80}
_FORM: Final = "https://host/path"
# Programs disagree on how to parse what RFC 3986 does not allow, such as a backslash or non-ASCII letters.
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/\\]*)(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._*-]+)(:(?P<port>[0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_MOST_IN_FLIGHT: Final = 200
_BATCH: Final = 25
_LONGEST_HOST: Final = 253
_HIGHEST_PORT: Final = 65535
_ANY_SUBDOMAIN: Final = "*."


class WebhookUrlError(ValueError):
    """A URL that is not accepted. The message says what to write instead, and repeats no part of the URL."""


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """A URL in its normal form: scheme and host in lower case, the port a number, the path at least ``/``."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def terms(self) -> Terms:
        """How deliveries to it are made: in some of the threads, so that a slow one holds up nobody else."""
        return Terms(acknowledges=True, most_in_flight=_MOST_IN_FLIGHT, batch=_BATCH)

    def __str__(self) -> str:
        """Return the URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _SCHEMES[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """The URLs that a pattern matches: ``*.`` at the start of its host is any subdomain; without a path, any path."""

    scheme: str
    host: str
    port: int
    path: str | None

    def covers(self, other: "UrlPattern | WebhookUrl") -> bool:
        """Whether a URL, or every URL of another pattern, matches. The parts are compared, never the whole text.

        ``*`` in the path matches any characters.
        """
        return (
            (self.scheme, self.port) == (other.scheme, other.port)
            and self._has_host(other.host)
            and (self.path is None or _fits(self.path, other.path or "/*"))
        )

    @property
    def specificity(self) -> tuple[bool, int, int]:
        """A sort key: the pattern that is most specific about host and path is the greatest."""
        return not self.host.startswith(_ANY_SUBDOMAIN), len(self.host), len(self.path or "")

    def _has_host(self, host: str) -> bool:
        if self.host.startswith(_ANY_SUBDOMAIN):
            return host.endswith(self.host.removeprefix("*"))
        return host == self.host


def is_webhook(text: str) -> bool:
    """Whether a destination or a pattern is a URL."""
    return text[:8].lower().startswith(("https:", "http:"))


def shown(text: str) -> str:
    """Return what may be shown of a URL that cannot be read: nobody knows which part of it is a secret."""
    return "a URL" if "@" in text else repr(text.partition("?")[0][:100])


def parse_webhook_url(text: str) -> WebhookUrl:
    """Read a URL. Raises WebhookUrlError."""
    scheme, host, port, path = _split(text)
    if "*" in host:
        raise WebhookUrlError("its host has a *; only patterns may have that")
    _check_path(path or "/")
    return WebhookUrl(scheme, _host(host), port, path or "/")


@lru_cache(maxsize=1000)
def parse_url_pattern(text: str) -> UrlPattern:
    """Read a pattern: a URL that may contain ``*``. Raises WebhookUrlError."""
    scheme, host, port, path = _split(text)
    starred = host.startswith(_ANY_SUBDOMAIN)
    bare = host.removeprefix(_ANY_SUBDOMAIN)
    if "*" in bare:
        raise WebhookUrlError("its host has a * that is not *. at the start")
    known = _host(bare)
    if starred and (_is_address(known) or "." not in known):
        raise WebhookUrlError("its host is *. and then not a domain such as example.com")
    _check_path(path or "/")
    return UrlPattern(scheme, _ANY_SUBDOMAIN + known if starred else known, port, path)


def _split(text: str) -> tuple[str, str, int, str | None]:
    if "?" in text or "#" in text:
        raise WebhookUrlError(f"it has a query or a fragment, which may be a secret and would be stored; write {_FORM}")
    found = _URL.fullmatch(text)
    if found is None or found["scheme"].lower() not in _SCHEMES:
        raise WebhookUrlError(f"it cannot be read; write {_FORM}, and percent-encode what is not ASCII")
    if "@" in found["authority"]:
        raise WebhookUrlError(f"it has a user or a password in it; events are signed instead: write {_FORM}")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None:
        raise WebhookUrlError(f"its host or port cannot be read; write {_FORM}, an international name as xn--…")
    scheme = found["scheme"].lower()
    port = int(authority["port"]) if authority["port"] else _SCHEMES[scheme]
    if not 0 < port <= _HIGHEST_PORT:
        raise WebhookUrlError(f"its port is not one from 1 to {_HIGHEST_PORT}")
    if _BAD_ESCAPE.search(found["path"] or ""):
        raise WebhookUrlError("it has a % that is not followed by two hexadecimal digits; write %25")
    return scheme, authority["host"].lower(), port, found["path"]


def _host(host: str) -> str:
    """Return a host in the form used to compare and connect, an IPv6 address without brackets."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise WebhookUrlError("the text in brackets is not an IPv6 address") from None
    if host.endswith("."):
        raise WebhookUrlError("its host ends in a dot; leave it out")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    if len(host) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise WebhookUrlError(
            "its host is not a valid name: labels of 1 to 63 letters, digits, - and _, with dots between them"
        )
    return host


def _ipv4(host: str) -> str:
    """Accept only dotted decimal: 127.1, 0x7f000001, 2130706433 and 0177.0.0.1 all mean 127.0.0.1 too."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise WebhookUrlError(
            "its host looks like an IPv4 address but is not valid; write four decimal numbers"
        ) from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_path(path: str) -> None:
    """Refuse a path that a server might resolve to a different one than was compared."""
    decoded = unquote(path)
    if _CONTROL.search(decoded) or "%2f" in path.lower():
        raise WebhookUrlError("its path has a slash, a backslash or a control character, percent-encoded")
    if any(segment.partition(";")[0] in {".", ".."} for segment in decoded.split("/")):
        raise WebhookUrlError("its path has . or .. as a segment; write the path that they lead to")


def _fits(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern in which ``*`` matches any characters."""
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == text
    last = parts.pop()
    position, end = len(first), len(text) - len(last)
    if position > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in parts:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
