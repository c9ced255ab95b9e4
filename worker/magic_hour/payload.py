"""Parsing a project from a response body.

Strict only about id, status and price, because a response without them is useless. Every other field is
kept if it is as documented, and otherwise omitted (or cut, if too long) and named in
``Observation.odd_fields``: an odd field never hides the end of a render.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Final

from worker.domain.projects.ledger import BOUND
from worker.domain.projects.observation import Download, Observation, ProjectError
from worker.domain.projects.status import is_known

_MOST_DOWNLOADS: Final = 1000
_LONGEST_WORD: Final = 200
_LONGEST_TEXT: Final = 2000
_LONGEST_LINK: Final = 8192
# People open these links, so only http and https are allowed.
_LINK: Final = re.compile(r"https?://[^\s]{1,8184}\Z", re.IGNORECASE)
_LONGEST_NUMBER: Final = 100
_INT32: Final = 2**31 - 1
_ABSENT: Final = object()


class BadPayloadError(ValueError):
    """The body is not a valid project. The message names the field, never its value."""


def parse_project(body: object, project_id: str) -> Observation:
    """Return the observation in a decoded JSON body.

    Raises BadPayloadError if its id is different, or its status or price cannot be parsed.
    """
    if not isinstance(body, Mapping):
        raise BadPayloadError("the answer is not a JSON object")
    if _word(body, "id") != project_id:
        raise BadPayloadError("the answer is about another project `id`")
    status = _word(body, "status")
    price, exact = _price(body, "credits_charged")
    fields = _Fields(body)
    if not exact:
        fields.odd("credits_charged")
    if not is_known(status):
        fields.odd("status")
    return Observation(
        project_id=project_id,
        status=status,
        credits_charged=price,
        credits_are_odd=not exact,
        enabled=fields.flag("enabled"),
        created_at=fields.time("created_at"),
        error=fields.error("error"),
        downloads=fields.downloads("downloads"),
        type=fields.text("type", _LONGEST_WORD, required=True),
        name=fields.text("name", _LONGEST_TEXT),
        width=fields.size("width"),
        height=fields.size("height"),
        fps=fields.number("fps"),
        start_seconds=fields.number("start_seconds"),
        end_seconds=fields.number("end_seconds"),
        image_count=fields.size("image_count"),
        odd_fields=fields.odd_fields(),
    )


def parse_balance(body: object) -> int:
    """Return an account's credit balance. Raises BadPayloadError."""
    if not isinstance(body, Mapping):
        raise BadPayloadError("the answer is not a JSON object")
    return _price(body, "credits")[0]


def clean(text: str) -> str:
    """Return text without what databases cannot store: U+0000 and lone surrogates."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _required(body: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401  a JSON value; each caller checks its type
    if key not in body:
        raise BadPayloadError(f"the answer has no `{key}`")
    return body[key]


def _word(body: Mapping[str, Any], key: str) -> str:
    value = _required(body, key)
    if not isinstance(value, str) or not value or len(value) > _LONGEST_WORD or value != clean(value):
        raise BadPayloadError(f"the answer's `{key}` is not a text of 1 to {_LONGEST_WORD} characters")
    return value


def _price(body: Mapping[str, Any], key: str) -> tuple[int, bool]:
    """Return a number of credits, and whether it is exactly as sent: a whole number within bounds."""
    given = _required(body, key)
    if type(given) is int and -BOUND <= given <= BOUND:  # the usual case; a bool is not a price
        return given, True
    value = _number(given)
    if value is None:
        raise BadPayloadError(f"the answer's `{key}` is not a number")
    # Compare before converting: 1E+999999 has a million digits.
    bounded = max(Decimal(-BOUND), min(Decimal(BOUND), value))
    whole = int(bounded.to_integral_value(ROUND_CEILING))
    return whole, whole == value


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return Decimal(max(-BOUND - 1, min(BOUND + 1, value)))
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


class _Fields:
    """The optional fields, and the names of odd ones."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._odd: dict[str, None] = {}

    def odd(self, name: str) -> None:
        """Record the name of an odd field, once."""
        self._odd[name] = None

    def odd_fields(self) -> str | None:
        return ",".join(self._odd) or None

    def flag(self, name: str) -> bool:
        value = self._body.get(name)
        if isinstance(value, bool):
            return value
        self.odd(name)
        return True

    def text(self, name: str, longest: int, *, required: bool = False) -> str | None:
        value = self._body.get(name)
        if value is None and not required:
            return None
        return self._bounded(name, value, longest) or None

    def time(self, name: str) -> datetime | None:
        text = self._body.get(name)
        try:
            value = datetime.fromisoformat(text) if isinstance(text, str) else None
            if value is not None:
                # The vendor's examples show times without a time zone; like all others, they are UTC.
                return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.odd(name)
        return None

    def error(self, name: str) -> ProjectError | None:
        value = self._body.get(name, _ABSENT)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.odd(name)
            return None
        code = self._bounded(f"{name}.code", value.get("code"), _LONGEST_WORD)
        message = self._bounded(f"{name}.message", value.get("message"), _LONGEST_TEXT)
        return None if code is None and message is None else ProjectError(code, message)

    def downloads(self, name: str) -> tuple[Download, ...]:
        value = self._body.get(name)
        if not isinstance(value, list):
            self.odd(name)
            return ()
        if len(value) > _MOST_DOWNLOADS:
            self.odd(name)
        return tuple(link for item in value[:_MOST_DOWNLOADS] if (link := self._download(name, item)))

    def _download(self, name: str, item: object) -> Download | None:
        url = item.get("url") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(url, str) or not _LINK.match(url[: _LONGEST_LINK + 1]):
            self.odd(name)
            return None
        expires_at = item.get("expires_at")
        if not isinstance(expires_at, str) or len(expires_at) > _LONGEST_WORD:
            self.odd(f"{name}.expires_at")
            expires_at = None
        return Download(clean(url), None if expires_at is None else clean(expires_at))

    def size(self, name: str) -> int | None:
        value = self.number(name)
        if value is not None and not value.is_integer():
            self.odd(name)
            return None
        return None if value is None else int(value)

    def number(self, name: str) -> float | None:
        value = self._body.get(name)
        if value is None or (isinstance(value, (int, float)) and value == -1):
            return None  # -1 stands for "not known"
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _INT32:
            return float(value)
        self.odd(name)
        return None

    def _bounded(self, name: str, value: object, longest: int) -> str | None:
        if not isinstance(value, str):
            self.odd(name)
            return None
        text = clean(value)
        if len(text) > longest or text != value:
            self.odd(name)
        return text[:longest]
