"""Which secrets sign the events for a URL."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from worker.domain.deliveries.webhook_url import UrlPattern, WebhookUrl, parse_url_pattern

_PREFIX = "whsec_"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# Allowed length of the decoded key, in bytes (Standard Webhooks).
_LEAST_BYTES, _MOST_BYTES = 24, 64

T = TypeVar("T")


class SecretsByUrl(Generic[T]):
    """Secrets by pattern of URLs. The most specific pattern that covers a URL, or a pattern of URLs, counts."""

    def __init__(self, table: Mapping[str, T]) -> None:
        """Read the patterns. Raises WebhookUrlError."""
        found = [(parse_url_pattern(pattern), secrets) for pattern, secrets in table.items()]
        self._table = sorted(found, key=lambda entry: entry[0].specificity, reverse=True)

    def of(self, url: WebhookUrl | UrlPattern) -> T | None:
        """Return the secrets for a URL, or None if there are none."""
        return next((secrets for pattern, secrets in self._table if pattern.covers(url)), None)


def is_webhook_secret(text: str) -> bool:
    """Whether a text is a secret as Standard Webhooks writes it: ``whsec_`` and 24 to 64 bytes in base64."""
    encoded = text.removeprefix(_PREFIX)
    if not text.startswith(_PREFIX) or not _BASE64.fullmatch(encoded):
        return False
    try:
        key = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4))
    except binascii.Error:
        return False
    return _LEAST_BYTES <= len(key) <= _MOST_BYTES
