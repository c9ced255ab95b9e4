"""A tracking request: one id that another service hands over, and what is wrong with it if it cannot be taken."""

import difflib
import json
import re
import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.destination import DestinationError, is_allowed, parse_routes
from worker.domain.identifiers import is_account_name, is_project_id
from worker.domain.status import KINDS, Kind

MOST_METADATA: Final = 8 * 1024
_INT64: Final = 2**63 - 1
# The escape of U+0000 in JSON, and not an escaped backslash before a plain "u0000".
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_KEYS: Final = ("kind", "project_id", "account", "credits_charged", "metadata", "notify")


class RequestError(ValueError):
    """A tracking request that cannot be taken. The text says why, and what to send instead."""


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """One project to follow. ``credits_charged`` is the create call's price; ``notify`` are the caller's own routes."""

    kind: Kind
    project_id: str
    account: str
    credits_charged: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notify: Mapping[str, Sequence[str]] = field(default_factory=dict)


def parse_request(item: object, accounts: Collection[str], allowed: Sequence[str]) -> TrackRequest:
    """Read a request; ``accounts`` are those that have a key, ``allowed`` is the allow-list of destinations.

    Raises RequestError.
    """
    if not isinstance(item, Mapping):
        raise RequestError('a request is an object like {"kind": "video", "project_id": "…"}')
    _refuse_unknown_keys(item)
    return TrackRequest(
        kind=_kind(item.get("kind")),
        project_id=_project_id(item.get("project_id")),
        account=_account(item.get("account", "default"), accounts),
        credits_charged=_credits(item.get("credits_charged")),
        metadata=_metadata(item.get("metadata")),
        notify=_notify(item.get("notify"), allowed),
    )


def _shown(value: object) -> str:
    """Return a short repr, whatever somebody sent: long texts are cut, and nested values are not followed far."""
    short = reprlib.Repr()
    short.maxstring = 100
    return short.repr(value)


def _refuse_unknown_keys(item: Mapping[Any, Any]) -> None:
    for key in item:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_KEYS)}"
            raise RequestError(f"unknown key {_shown(key)}; {hint}")


def _kind(value: object) -> Kind:
    for kind in KINDS:
        if value == kind:
            return kind
    raise RequestError(f"kind is {_shown(value)}; it must be video, image or audio")


def _project_id(value: object) -> str:
    if isinstance(value, str) and is_project_id(value):
        return value
    raise RequestError(
        f"project_id is {_shown(value)}; it must be the id from the create call: 8 to 64 letters, digits, - or _"
    )


def _account(value: object, accounts: Collection[str]) -> str:
    if not isinstance(value, str) or not is_account_name(value):
        raise RequestError(f"account is {_shown(value)}; it must be 1 to 63 lower-case letters, digits, - or _")
    if value not in accounts:
        key = "MAGIC_HOUR_API_KEY" if value == "default" else "MAGIC_HOUR_API_KEYS"
        raise RequestError(f"account {value!r} has no API key; set it in {key} and send the request again")
    return value


def _credits(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64:
        return value
    raise RequestError(f"credits_charged is {_shown(value)}; it must be a whole number, 0 or more, or left out")


def _metadata(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RequestError("metadata must be an object")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()  # fails for half a surrogate pair, which JSON can write and no database stores
    except (TypeError, ValueError, RecursionError):
        raise RequestError("metadata must hold JSON values only: finite numbers, whole characters") from None
    if len(text) > MOST_METADATA:
        raise RequestError(f"metadata has {len(text)} characters as JSON; at most {MOST_METADATA} are kept")
    if _NUL.search(text):
        raise RequestError("metadata must not hold the character U+0000")
    return value


def _notify(value: object, allowed: Sequence[str]) -> Mapping[str, Sequence[str]]:
    if value is None:
        return {}
    try:
        routes = parse_routes(value)
    except DestinationError as error:
        raise RequestError(f"notify: {error}") from None
    for items in routes.values():
        for item in items:
            if not is_allowed(item, allowed):
                raise RequestError(
                    f"notify: {item!r} is not allowed; an operator can add it to RENDERWATCH_NOTIFY_ALLOW"
                )
    return routes
