"""A tracking request: one project to track, and the reasons to reject it."""

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worker.domain.deliveries.destination import DestinationError, is_allowed, nearest_pattern, parse_routes
from worker.domain.intake.identifiers import is_account_name, is_project_id
from worker.domain.intake.metadata import MetadataError, parse_metadata
from worker.domain.intake.trace_headers import Trace
from worker.domain.projects.status import KINDS, Kind

# Over a million times the price of any render, and a million such amounts still fit into 64 bits.
MOST_CREDITS: Final = 10**12
LONGEST_TYPE: Final = 200
_KEYS: Final = ("kind", "project_id", "account", "credits_charged", "metadata", "notify", "type")


class RequestError(ValueError):
    """A tracking request that is rejected. The message says why, and what to send instead."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request, as far as the entry point can tell, and the trace headers that it came with."""

    name: str | None = None
    trace: Trace = field(default_factory=dict)


NOBODY: Final = Sender()


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """One project to track. ``credits_charged`` is the create call's price; ``notify`` has the caller's own routes.

    ``type`` is its type according to the caller, such as AI_IMAGE; the API's answers replace it. ``tracked_by`` and
    ``trace`` come from its sender, not from the request itself.
    """

    kind: Kind
    project_id: str
    account: str
    credits_charged: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notify: Mapping[str, Sequence[str]] = field(default_factory=dict)
    type: str | None = None
    tracked_by: str | None = None
    trace: Trace = field(default_factory=dict)


def parse_request(item: object, allowed: Sequence[str], sender: Sender = NOBODY) -> TrackRequest:
    """Parse a request; ``allowed`` is the allow-list of destinations. Raises RequestError.

    Its account may lack an API key in this process: another process may have it, or it may be added later.
    """
    if not isinstance(item, Mapping):
        raise RequestError('a request must be an object like {"kind": "video", "project_id": "…"}')
    _refuse_unknown_keys(item)
    return TrackRequest(
        kind=_kind(item.get("kind")),
        project_id=_project_id(item.get("project_id")),
        account=_account(item.get("account", "default")),
        credits_charged=_credits(item.get("credits_charged")),
        metadata=_metadata(item.get("metadata")),
        notify=_notify(item.get("notify"), allowed),
        type=_type(item.get("type")),
        tracked_by=sender.name,
        trace=sender.trace,
    )


def _shown(value: object) -> str:
    """Return a short repr of any value: long texts are cut, and deep nesting is not followed."""
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


def _account(value: object) -> str:
    if isinstance(value, str) and is_account_name(value):
        return value
    raise RequestError(f"account is {_shown(value)}; it must be 1 to 63 lower-case letters, digits, - or _")


def _credits(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_CREDITS:
        return value
    raise RequestError(
        f"credits_charged is {_shown(value)}; it must be a whole number from 0 to {MOST_CREDITS:,}, or omitted"
    )


def _type(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= LONGEST_TYPE and value.isprintable():
        return value
    raise RequestError(
        f"type is {_shown(value)}; it must be the project's type as Magic Hour names it, such as AI_IMAGE: 1 to"
        f" {LONGEST_TYPE} printable characters, or omitted"
    )


def _metadata(value: object) -> Mapping[str, Any]:
    try:
        return parse_metadata(value)
    except MetadataError as error:
        raise RequestError(str(error)) from None


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
                raise RequestError(_not_allowed(item, allowed))
    return routes


def _not_allowed(destination: str, allowed: Sequence[str]) -> str:
    near = nearest_pattern(destination, allowed)
    hint = "" if near is None else f", whose nearest pattern is {_shown(near)}"
    return f"notify: {destination!r} is not allowed; an operator can add it to RENDERWATCH_NOTIFY_ALLOW{hint}"
