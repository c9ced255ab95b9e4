"""The parts of a URL, for the settings of database, broker and API, and the API's own URL.

No message repeats any part of a URL: whatever cannot be parsed may be a password.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>.*))?"
)
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(%25[\w.-]+)?\]|(?:[\w.-]|%[0-9A-Fa-f]{2})*)(:(?P<port>\d{1,5}))?")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Invisible characters that editors and chat programs leave: byte order marks, zero-width spaces.
_UNSEEN: Final = "\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"
_BLANK: Final = re.compile(rf"[\s\x00-\x1f\x7f{_UNSEEN}]")
_AROUND: Final = re.compile(rf"^[\s{_UNSEEN}]+|[\s{_UNSEEN}]+$")
_QUOTES: Final = frozenset("\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb")
# Placeholders that a shell, compose, Helm or a template should have replaced.
_PLACEHOLDER: Final = re.compile(r"\$\{|\$\(|\$[A-Za-z_]|\{\{|%\(\w+\)s|<[\w -]+>")
_ASSIGNMENT: Final = re.compile(r"(export\s+)?\w+\s*=")
_KEPT: Final = "%:!$&'()*+,;=-._~"
_HIGHEST_PORT: Final = 65535
_QUOTING: Final = (
    "if the user or the password has special characters, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23,"
    " % as %25, ; as %3B, and a space as %20"
)
_API: Final = "https://api.magichour.ai"
_PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".svc")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a URL. ``user`` is what precedes the @, still quoted."""

    scheme: str
    user: str
    hosts: tuple[str, ...]
    path: str
    query: str | None

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query, unquoted."""
        return parse_qsl(self.query or "", keep_blank_values=True)

    @property
    def at(self) -> str:
        """The user and password with the following @, if any."""
        # Quote everything else in a password, such as [ and non-ASCII letters, because parsers disagree about it.
        return f"{quote(self.user, safe=_KEPT)}@" if self.user else ""


def api_url(text: str) -> str:
    """Return the API's base URL without a trailing slash. Raises ValueError with the correct form."""
    text = clean(text, _API)
    parts = parse(text, _API)
    if parts.scheme not in {"http", "https"} or not parts.hosts[0] or len(parts.hosts) > 1:
        raise ValueError(f"write http://host or https://host, such as {_API}")
    if parts.user:
        raise ValueError(f"it has a user or a password in it; the key belongs in MAGIC_HOUR_API_KEY: write {_API}")
    if parts.query is not None:
        raise ValueError(f"it has a query; write {_API}")
    path = parts.path.rstrip("/")
    base = f"{parts.scheme}://{parts.hosts[0]}"
    if re.search(r"/v\d+(/|$)", unquote(path), re.IGNORECASE):
        before = re.split(r"/v[0-9]+(?:/|$)", unquote(path), flags=re.IGNORECASE)[0]
        raise ValueError(f"leave out /v1 and what follows, which is added to it: write {base}{quote(before)}")
    return base + quote(path, safe=f"/{_KEPT}")


def sends_key_unencrypted(url: str) -> bool:
    """Whether an API's base URL is plain HTTP to a host that is neither on this machine nor on a private network."""
    parts = parse(url, _API)
    return parts.scheme == "http" and not _is_private(split_host(parts.hosts[0])[0].lower().rstrip("."))


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # A name without a dot is one of a local network, of Docker Compose or of Kubernetes.
        return "." not in host or host.endswith(_PRIVATE_NAMES)
    return address.is_private or address.is_loopback or address.is_link_local


def clean(text: str, form: str, *, blanks: bool = False) -> str:
    """Return a URL without accidental surroundings. Raises ValueError for text that is not a URL."""
    text = _AROUND.sub("", text)
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        raise ValueError(f"it is in quotes; leave them out: {form}")
    if _ASSIGNMENT.match(text):
        raise ValueError(f"it begins with a name and =; write the URL alone: {form}")
    if not blanks and _BLANK.search(text):
        raise ValueError(f"it has a space or a line break in it; write {form}; {_QUOTING}")
    # Not in user and password, where $ is an ordinary character.
    scheme, _, rest = text.partition("://")
    if _PLACEHOLDER.search(rest.rpartition("@")[2] or scheme):
        raise ValueError(f"it has a variable or a placeholder in it that nothing has replaced; write {form}")
    if text[-1:] in {",", ";"}:
        raise ValueError(f"it ends with {text[-1]}; leave that out: {form}")
    return text


def parse(text: str, form: str) -> Parts:
    """Split a URL. Raises ValueError with the correct form."""
    found = _URL.fullmatch(text)
    if found is None:
        problem = "it cannot be read" if "://" in text else "it has no scheme"
        raise ValueError(f"{problem}; write {form}; {_QUOTING}")
    user, at, hosts = found["authority"].rpartition("@")
    rest = found["path"] + (found["query"] or "" if not at else "")
    if "@" in user or "@" in rest or _BAD_ESCAPE.search(user):
        raise ValueError(f"user, password and host cannot be told apart; {_QUOTING}; the form is {form}")
    if not all(_is_host(host) for host in hosts.split(",")):
        raise ValueError(f"host and port cannot be read; {_QUOTING}; the form is {form}")
    return Parts(found["scheme"].lower(), user, tuple(hosts.split(",")), found["path"], found["query"])


def split_host(text: str) -> tuple[str, str]:
    """Return the bare host, without the brackets of IPv6, and the port, if there is one."""
    found = _HOST.fullmatch(text)
    return (unquote(found["host"]).strip("[]"), found["port"] or "") if found else (text, "")


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) <= _HIGHEST_PORT)
