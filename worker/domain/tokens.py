"""API tokens: what they look like, what they allow, and what is kept of them."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, Literal, get_args

Scope = Literal["track", "read", "operate"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
MEANING: Final[dict[Scope, str]] = {
    "track": "hand over projects",
    "read": "read everything, the dashboard included",
    "operate": "check now, untrack, replay deliveries, lift pauses",
}

PREFIX: Final = "rw_"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TOKEN: Final = re.compile(r"rw_[A-Za-z0-9_-]{43}")


def is_token_name(value: str) -> bool:
    """Whether a text can name a token: 1 to 63 letters, digits, ``.``, ``_`` and ``-``."""
    return _NAME.fullmatch(value) is not None


def is_token(value: str) -> bool:
    """Whether a text has the shape of our tokens: what has not needs no look into the database."""
    return _TOKEN.fullmatch(value) is not None


def fingerprint(secret: str) -> str:
    """Return what is stored in a secret's place.

    Our secrets are 256 random bits, so that nobody finds one by trying, and a slow hash would protect nothing.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def in_order(scopes: Iterable[str]) -> list[Scope]:
    """Return the scopes among these words, each once, in our order."""
    given = set(scopes)
    return [scope for scope in SCOPES if scope in given]
