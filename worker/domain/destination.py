"""Where news goes: destinations, the routes that lead to them, and who may name one."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worker.domain.events import EVENT_TYPES, EventType

LONGEST: Final = 300
MOST: Final = 20
_PREFIX: Final = "project."
_CELERY: Final = re.compile(r"celery:(?P<task>[A-Za-z_][\w.-]{0,199})(?:\?queue=(?P<queue>[\w.:-]{1,80}))?", re.ASCII)


class DestinationError(ValueError):
    """A destination that cannot be understood, or may not be used. The text says what to write instead."""


@dataclass(frozen=True, slots=True)
class CeleryDestination:
    """A Celery task in whatever application listens on ``queue`` (None: Celery's default queue)."""

    task: str
    queue: str | None


def parse_destination(text: str) -> CeleryDestination:
    """Read ``celery:<task name>`` or ``celery:<task name>?queue=<queue>``. Raises DestinationError."""
    match = _CELERY.fullmatch(text)
    if match is None:
        shown = text[:LONGEST]
        raise DestinationError(f"{shown!r} is no destination; write celery:<task name> or celery:<task>?queue=<queue>")
    if match["task"].startswith("renderwatch."):
        raise DestinationError(f"{text!r} names one of Renderwatch's own tasks; name a task of yours")
    return CeleryDestination(match["task"], match["queue"])


def is_allowed(destination: str, allowed: Iterable[str]) -> bool:
    """Whether a destination named at intake matches the allow-list.

    ``*`` in a pattern stands for any characters but ``?``, so that a queue must be allowed in so many words.
    """
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", "[^?]*"), destination) for pattern in allowed)


def parse_routes(value: object) -> dict[str, list[str]]:
    """Read routes: event types (or ``*`` for every type) and their destinations. A bare list stands for ``*``.

    Raises DestinationError for an event type or a destination that does not exist, naming a near match.
    """
    routes = {"*": value} if isinstance(value, list) else value
    if not isinstance(routes, Mapping):
        raise DestinationError("routes are a list of destinations, or an object of event types and their destinations")
    return {_event_type(key): _destinations(items) for key, items in routes.items()}


def _event_type(key: object) -> str:
    if isinstance(key, str) and (key == "*" or key in EVENT_TYPES):
        return key
    # Compared without what all of them have in common, which would make any two look alike.
    names = [event_type.removeprefix(_PREFIX) for event_type in EVENT_TYPES]
    near = difflib.get_close_matches(str(key).removeprefix(_PREFIX), names, n=1)
    hint = f"; did you mean {_PREFIX}{near[0]}?" if near else f"; there are {', '.join(EVENT_TYPES)} and *"
    raise DestinationError(f"{str(key)[:LONGEST]!r} is no event type{hint}")


def _destinations(items: object) -> list[str]:
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise DestinationError("the destinations of an event type are a list of texts")
    if len(items) > MOST:
        raise DestinationError(f"these are {len(items)} destinations; at most {MOST} are allowed")
    for item in items:
        parse_destination(item)
    return list(dict.fromkeys(items))


def destinations(
    event_type: EventType, routes: Mapping[str, Sequence[str]], notify: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """All destinations of an event, each once: those of the settings' routes and of the project's own."""
    found = (items for table in (routes, notify) for key in (event_type, "*") for items in table.get(key, ()))
    return tuple(dict.fromkeys(found))
