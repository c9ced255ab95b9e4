"""Generated ids and secrets."""

import secrets
import time
import uuid


def new_event_id() -> str:
    """Return a UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | secrets.randbits(62)))


def new_token() -> str:
    """Return a unique lease token."""
    return str(uuid.uuid4())


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are valid in headers, cookies and URLs."""
    return secrets.token_urlsafe(32)
