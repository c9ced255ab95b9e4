"""Reading a project out of an answer's body.

Strict about what the rules rest on (id, status, credits_charged, enabled, created_at, error, downloads), tolerant of
everything else: new fields, new types, new statuses, and deprecated fields that are gone.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from worker.domain.observation import Download, Observation, ProjectError

_MOST_DOWNLOADS: Final = 1000
_LONGEST_TEXT: Final = 2000
_INT64: Final = 2**63 - 1
_INT32: Final = 2**31 - 1


class BadPayloadError(ValueError):
    """The body is not a project that we can trust. The text names the field, never its value."""


def parse_project(body: object, project_id: str) -> Observation:
    """Return what a decoded JSON body says of the project that was asked for.

    Raises BadPayloadError when a field that matters is missing or of the wrong kind, or the id is another one.
    """
    if not isinstance(body, Mapping):
        raise BadPayloadError("the answer is not a JSON object")
    if _text(body, "id") != project_id:
        raise BadPayloadError("the answer is about another project id")
    return Observation(
        project_id=project_id,
        status=_text(body, "status"),
        credits_charged=_credits(body),
        enabled=_flag(body, "enabled"),
        created_at=_time(body),
        error=_error(body),
        downloads=_downloads(body),
        type=_loose_text(body.get("type")),
        name=_loose_text(body.get("name")),
        width=_loose_size(body.get("width")),
        height=_loose_size(body.get("height")),
        fps=_loose_number(body.get("fps")),
    )


def parse_balance(body: object) -> int:
    """Return the credits that an account can spend. Raises BadPayloadError."""
    if not isinstance(body, Mapping):
        raise BadPayloadError("the answer is not a JSON object")
    return _whole(body, "credits")


def _field(body: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401  a JSON value; each caller checks its type
    if key not in body:
        raise BadPayloadError(f"the answer has no {key}")
    return body[key]


def _wrong(key: str, expected: str) -> BadPayloadError:
    return BadPayloadError(f"the answer's {key} is not {expected}")


def _text(body: Mapping[str, Any], key: str, longest: int = 200) -> str:
    value = _field(body, key)
    if not isinstance(value, str) or not value or len(value) > longest or value != _clean(value):
        raise _wrong(key, f"a text of 1 to {longest} characters")
    return value


def _flag(body: Mapping[str, Any], key: str) -> bool:
    value = _field(body, key)
    if not isinstance(value, bool):
        raise _wrong(key, "true or false")
    return value


def _credits(body: Mapping[str, Any]) -> int:
    return _whole(body, "credits_charged")


def _whole(body: Mapping[str, Any], key: str) -> int:
    value = _field(body, key)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or abs(value) > _INT64:
        raise _wrong(key, "a whole number of 64 bits")
    return int(value)


def _time(body: Mapping[str, Any]) -> datetime:
    text = _text(body, "created_at")
    try:
        value = datetime.fromisoformat(text)
        # The vendor's examples show times without a zone; they are UTC like all others.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong("created_at", "a date and time") from None


def _error(body: Mapping[str, Any]) -> ProjectError | None:
    value = _field(body, "error")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong("error", "an object or null")
    code, message = value.get("code"), value.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        raise _wrong("error", "an object with a code and a message")
    return ProjectError(_clean(code)[:200], _clean(message)[:_LONGEST_TEXT])


def _downloads(body: Mapping[str, Any]) -> tuple[Download, ...]:
    value = _field(body, "downloads")
    if not isinstance(value, list) or len(value) > _MOST_DOWNLOADS:
        raise _wrong("downloads", f"a list of at most {_MOST_DOWNLOADS} links")
    return tuple(_download(item) for item in value)


def _download(item: object) -> Download:
    if isinstance(item, Mapping):
        url, expires_at = item.get("url"), item.get("expires_at")
        if isinstance(url, str) and isinstance(expires_at, str):
            return Download(_clean(url), _clean(expires_at))
    raise _wrong("downloads", "a list of objects with a url and an expires_at")


def _clean(text: str) -> str:
    if text.isascii() and "\x00" not in text:
        return text
    # No database has a place for half a surrogate pair, and PostgreSQL none for U+0000.
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _loose_text(value: object) -> str | None:
    return _clean(value)[:_LONGEST_TEXT] if isinstance(value, str) else None


def _loose_size(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT32:
        return value
    return None  # -1 stands for "not known"


def _loose_number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _INT32:
        return float(value)
    return None
