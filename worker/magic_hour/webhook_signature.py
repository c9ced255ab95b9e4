"""The signature of Magic Hour's webhooks: HMAC-SHA256 over the timestamp, a dot and the raw body."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

SIGNATURE_HEADER: Final = "magic-hour-event-signature"
TIMESTAMP_HEADER: Final = "magic-hour-event-timestamp"
# How far the timestamp may be from our clock, in seconds, either way.
TOLERANCE: Final = 300
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_SIGNATURE: Final = re.compile(r"[0-9A-Fa-f]{64}")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body, as 64 hex digits. ``timestamp`` is in Unix seconds, as in its header."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def trouble_with_headers(timestamp: str, signature: str, now: float) -> str | None:
    """Say why a webhook is refused before its body is read; None if its headers are in order.

    ``now`` is our clock, in Unix seconds.
    """
    if not _TIMESTAMP.fullmatch(timestamp):
        return f"{TIMESTAMP_HEADER} is missing, or is not a time in Unix seconds"
    if not _SIGNATURE.fullmatch(signature):
        return f"{SIGNATURE_HEADER} is missing, or is not 64 hex digits"
    if abs(int(timestamp) - now) > TOLERANCE:
        return f"{TIMESTAMP_HEADER} is more than {TOLERANCE} seconds from this server's clock"
    return None


def is_signed(secrets: Iterable[str], timestamp: str, body: bytes, signature: str) -> bool:
    """Whether one of the secrets made the signature. Takes the same time whichever it is, or none."""
    given = signature.lower()
    matches = [hmac.compare_digest(sign(secret, timestamp, body), given) for secret in secrets]
    return any(matches)
