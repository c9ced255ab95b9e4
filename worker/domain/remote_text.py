"""Text from other servers, made safe to store and show: one line, bounded, without secrets."""

import re
from typing import Final

LONGEST: Final = 500
_SECRETS: Final = (
    re.compile(r"(?i)\b(?:bearer|basic)\s+[^\s\"',;]+"),
    re.compile(r"(?i)\b(?:mhk|sk|whsec)[_-][^\s\"',;]+"),
    re.compile(r"(?i)\b(?:api[_-]?key|token|secret|password|signature)\s*[=:]\s*[^\s\"',;]+"),
)
_QUERY: Final = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def without_secrets(text: str) -> str | None:
    """Return a text on one line, bounded, without tokens and signed queries; None if nothing is left."""
    text = text[: 4 * LONGEST].encode("utf-8", "replace").decode()
    text = _QUERY.sub(r"\1", text)
    for secret in _SECRETS:
        text = secret.sub("[secret]", text)
    text = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return (f"{text[: LONGEST - 1]}\u2026" if len(text) > LONGEST else text) or None
