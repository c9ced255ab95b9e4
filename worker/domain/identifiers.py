"""The shapes that names and ids must have before they reach a URL or the database."""

import re
from typing import Final

_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_API_KEY: Final = re.compile(r"[!-~]+")


def is_project_id(value: str) -> bool:
    """Whether a text can be a Magic Hour project id.

    Every id seen so far is a cuid (25 lower-case letters and digits), but the vendor promises no shape. What is
    accepted is what cannot change the meaning of a URL: 8 to 64 letters, digits, ``_`` and ``-``.
    """
    return _PROJECT_ID.fullmatch(value) is not None


def is_account_name(value: str) -> bool:
    """Whether a text can name an account: 1 to 63 lower-case letters, digits, ``_`` and ``-``."""
    return _ACCOUNT.fullmatch(value) is not None


def is_api_key(value: str) -> bool:
    """Whether a text can be an API key: something that an HTTP header carries, without spaces and line breaks."""
    return _API_KEY.fullmatch(value) is not None
