"""Response bodies of the API, or of a server in its place: JSON, web pages, and error messages without secrets."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from worker.domain.remote_text import without_secrets

# The part of a body that is searched for a title.
_MOST_HTML: Final = 20_000
_MOST_DIGITS: Final = 30
_TITLE: Final = re.compile(r"<(title|h1)\b[^>]*>(.{1,500}?)</\1", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]{0,500}>")


def decode(body: bytes) -> object:
    """Decode JSON with pydantic's parser, or with the slower one if that refuses, as it does with lone surrogates.

    Raises ValueError or RecursionError for invalid JSON.
    """
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body, parse_int=_parse_int)


def _parse_int(digits: str) -> int:
    """Parse an integer of any length; beyond our limits its last digits do not matter."""
    return int(digits[:_MOST_DIGITS])


def json_object(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object in a body, which all API responses have; None for anything else."""
    try:
        value = decode(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None


def is_web_page(body: bytes) -> bool:
    """Whether a body looks like HTML."""
    start = body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<!--", b"<body"))


def message_of(answer: Mapping[str, Any], key: str) -> str | None:
    """Return the error code and message in a response, if it has any."""
    inner = answer.get("error")
    sources = [answer, inner] if isinstance(inner, Mapping) else [answer]
    code = next((str(each["code"]) for each in sources if isinstance(each.get("code"), (str, int))), "")
    texts = [each.get(name) for each in sources for name in ("message", "detail", "error", "title")]
    text = next((each for each in texts if isinstance(each, str) and each.strip()), "")
    return tidy(f"{code}: {text}" if code and text else code or text, key)


def title_of(body: bytes, key: str) -> str | None:
    """Return the title of a web page, or the start of other text."""
    text = body[:_MOST_HTML].decode("utf-8", "replace")
    found = _TITLE.search(text)
    if found:
        return tidy(html.unescape(_TAG.sub(" ", found[2])), key)
    return None if is_web_page(body) else tidy(text, key)


def tidy(text: str, key: str) -> str | None:
    """Return text on one line, bounded, without the key, tokens and signed queries; None if nothing is left."""
    return without_secrets(text.replace(key, "[key]"))
