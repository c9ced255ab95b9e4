"""API tokens: their form, their scopes, and what is stored of them."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, Literal, get_args

Scope = Literal["track", "read", "operate", "metrics"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MEANING: Final[dict[Scope, str]] = {
    "track": "track projects",
    "read": "read everything, the dashboard included",
    "operate": "check now, untrack, replay deliveries, resume accounts",
    "metrics": "read /metrics",
}

PREFIX: Final = "rw_"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TOKEN: Final = re.compile(r"rw_[A-Za-z0-9_-]{43}")


def is_token_name(value: str) -> bool:
    """Whether a text can name a token: 1 to 63 letters, digits, ``.``, ``_`` and ``-``."""
    return _NAME.fullmatch(value) is not None


def is_token(value: str) -> bool:
    """Whether a text has the form of our tokens; anything else need not be looked up."""
    return _TOKEN.fullmatch(value) is not None


def fingerprint(secret: str) -> str:
    """Return the hash that is stored instead of a secret.

    Secrets are 256 random bits, so they cannot be guessed, and a slow hash would add no protection.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def in_order(scopes: Iterable[str]) -> list[Scope]:
    """Return the valid scopes among these words, without duplicates, in a fixed order."""
    given = set(scopes)
    return [scope for scope in SCOPES if scope in given]
