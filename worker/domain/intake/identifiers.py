"""The forms that names and ids must have before they reach a URL or the database."""

import re
from typing import Final

PROJECT_ID_PATTERN: Final = "^[A-Za-z0-9_-]{8,64}$"
ACCOUNT_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,62}$"
_PROJECT_ID: Final = re.compile(PROJECT_ID_PATTERN)
_ACCOUNT: Final = re.compile(ACCOUNT_PATTERN)
_API_KEY: Final = re.compile(r"[!-~]+")


def is_project_id(value: str) -> bool:
    """Whether a text can be a Magic Hour project id.

    Every id seen so far is a cuid (25 lower-case letters and digits), but the vendor promises no format. Only
    text that cannot change the meaning of a URL is accepted: 8 to 64 letters, digits, ``_`` and ``-``.
    """
    return _PROJECT_ID.fullmatch(value) is not None


def is_account_name(value: str) -> bool:
    """Whether a text can name an account: 1 to 63 lower-case letters, digits, ``_`` and ``-``."""
    return _ACCOUNT.fullmatch(value) is not None


def is_api_key(value: str) -> bool:
    """Whether a text can be an API key: printable ASCII without spaces, as an HTTP header needs."""
    return _API_KEY.fullmatch(value) is not None


def key_variable(account: str) -> str:
    """Return the environment variable that holds an account's API key."""
    return "MAGIC_HOUR_API_KEY" if account == "default" else "MAGIC_HOUR_API_KEYS"
