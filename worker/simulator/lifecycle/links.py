"""Download links that look signed, are signed, and expire."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from urllib.parse import parse_qs

FILES = "/_simulator/files"
LIFETIME = timedelta(hours=24)
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
SIGNATURE = "&X-Goog-Signature="


class Download(TypedDict):
    """One entry of `downloads`."""

    url: str
    expires_at: str


class Links:
    """Signs links to the simulator's own files, and verifies them."""

    def __init__(self, seed: int) -> None:
        """Derive the key from the seed: there is nothing to protect, only a behaviour to show."""
        self._key = f"simulator:{seed}".encode()

    def sign(self, origin: str, name: str, now: float, serial: int) -> Download:
        """Return a link to the file `name` that is good for 24 hours; another `serial` makes another link."""
        date = datetime.fromtimestamp(int(now), UTC)
        path = f"{FILES}/{name}"
        query = (
            f"X-Goog-Algorithm=GOOG4-HMAC-SHA256&X-Goog-Credential=simulator%2F{serial}"
            f"&X-Goog-Date={date.strftime(DATE_FORMAT)}&X-Goog-Expires={LIFETIME.total_seconds():.0f}"
            "&X-Goog-SignedHeaders=host"
        )
        url = f"{origin}{path}?{query}{SIGNATURE}{self._signature(path, query)}"
        return Download(url=url, expires_at=timestamp((date + LIFETIME).timestamp()))

    def good(self, path: str, query: str, now: float) -> bool:
        """Return whether the link is complete, unchanged and not expired."""
        unsigned, _, signature = query.partition(SIGNATURE)
        if not hmac.compare_digest(signature.encode(), self._signature(path, unsigned).encode()):
            return False
        date = datetime.strptime(parse_qs(unsigned)["X-Goog-Date"][0], DATE_FORMAT).replace(tzinfo=UTC)
        return now < (date + LIFETIME).timestamp()

    def _signature(self, path: str, query: str) -> str:
        return hmac.digest(self._key, f"{path}?{query}".encode(), "sha256").hex()


def timestamp(moment: float) -> str:
    """Return epoch seconds the way the API writes times: UTC with milliseconds and a Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
