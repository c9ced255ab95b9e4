"""Where events go: destinations, routes, and the allow-list for destinations that callers name."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

from worker.domain.deliveries.celery_destination import (
    FORM,
    CeleryDestination,
    CeleryDestinationError,
    matches_pattern,
    parse_celery_destination,
)
from worker.domain.deliveries.route_rule import RouteRuleError, Subject, parse_rule
from worker.domain.deliveries.webhook_url import (
    WebhookUrl,
    WebhookUrlError,
    is_webhook,
    parse_url_pattern,
    parse_webhook_url,
    shown,
)
from worker.domain.projects.events import EVENT_TYPES, EventType

LONGEST: Final = 300
MOST: Final = 20
MOST_ROUTES: Final = 200


class DestinationError(ValueError):
    """A destination that is invalid or not allowed. The message says what to write instead."""


Destination = CeleryDestination | WebhookUrl


def parse_destination(text: str) -> Destination:
    """Read a Celery task, ``celery:<task name>?queue=<queue>``, or a URL. Raises DestinationError."""
    return _parse_url(text) if is_webhook(text) else _parse_celery(text)


def normal_form(text: str) -> str:
    """Return a destination as it is stored: of two that mean the same there is one text. Raises DestinationError."""
    destination = parse_destination(text)
    return str(destination) if isinstance(destination, WebhookUrl) else text


def _parse_url(text: str) -> WebhookUrl:
    try:
        url = parse_webhook_url(text)
    except WebhookUrlError as error:
        raise DestinationError(f"{shown(text)} is not a destination: {error}") from None
    if len(str(url)) > LONGEST:
        raise DestinationError(f"{str(url)[:100]}… is not a destination: a URL has at most {LONGEST} characters")
    return url


def _parse_celery(text: str) -> CeleryDestination:
    name = repr(text[:LONGEST])
    if text.startswith("archive:"):
        raise DestinationError(f"{name} is not a destination yet: files are not archived by this version")
    if len(text) > LONGEST:
        raise DestinationError(f"{name}… is not a destination: it has more than {LONGEST} characters; write {FORM}")
    try:
        return parse_celery_destination(text)
    except CeleryDestinationError as error:
        raise DestinationError(f"{name} is not a destination: {error}") from None


def is_allowed(destination: str, allowed: Iterable[str]) -> bool:
    """Whether a destination named at intake matches the allow-list.

    Task and queue are compared, so a queue must be allowed explicitly; confirm, ordered and priority only if the
    pattern names them. A URL is compared part by part, and only with patterns that are URLs.
    """
    if is_webhook(destination):
        url = parse_webhook_url(destination)
        return any(parse_url_pattern(pattern).covers(url) for pattern in allowed if is_webhook(pattern))
    return any(matches_pattern(destination, pattern) for pattern in allowed if not is_webhook(pattern))


def nearest_pattern(destination: str, allowed: Iterable[str]) -> str | None:
    """Return the pattern whose start is most like a Celery destination's. None for a URL: paths may be secrets."""
    patterns = [] if is_webhook(destination) else [pattern for pattern in allowed if not is_webhook(pattern)]
    return max(patterns, key=lambda pattern: _shared_start(destination, pattern), default=None)


def _shared_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def parse_routes(value: object, *, filters: bool = False) -> dict[str, list[str]]:
    """Read routes: rules (see parse_rule) and their destinations. A bare list means ``*``, which is every event.

    Without ``filters``, a rule is an event type or ``*``. Raises DestinationError for a rule that cannot be read or an
    invalid destination, with the closest match.
    """
    routes = {"*": value} if isinstance(value, list) else value
    if not isinstance(routes, Mapping):
        raise DestinationError("routes must be a list of destinations, or an object that maps event types to lists")
    if len(routes) > MOST_ROUTES:
        raise DestinationError(f"these are {len(routes)} routes; at most {MOST_ROUTES} are allowed")
    return {_rule(str(key), filters=filters): _destinations(items) for key, items in routes.items()}


def _rule(key: str, *, filters: bool) -> str:
    try:
        parse_rule(key)
    except RouteRuleError as error:
        raise DestinationError(str(error)) from None
    if not filters and key not in (*EVENT_TYPES, "*"):
        raise DestinationError(f"{key[:LONGEST]!r} must be an event type or *; only RENDERWATCH_ROUTES has filters")
    return key


def _destinations(items: object) -> list[str]:
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise DestinationError("the destinations of an event type must be a list of strings")
    if len(items) > MOST:
        raise DestinationError(f"{len(items)} destinations given; at most {MOST} are allowed")
    return list(dict.fromkeys(map(normal_form, items)))


def destinations(
    event_type: EventType,
    subject: Subject,
    routes: Mapping[str, Sequence[str]],
    notify: Mapping[str, Sequence[str]],
) -> tuple[str, ...]:
    """Return the destinations of an event, without duplicates: from the settings' routes and from the project's own."""
    found: list[str] = []
    for table in (routes, notify):
        for key, items in table.items():
            rule = parse_rule(key)
            if rule.covers(event_type) and rule.accepts(subject):
                found += items
    return tuple(dict.fromkeys(found))


def routed_destinations(routes: Mapping[str, Sequence[str]]) -> set[str]:
    """Return all destinations of the settings' routes."""
    return set().union(*routes.values())
