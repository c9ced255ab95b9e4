"""Where an event would go, and why not elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.domain.deliveries.route_rule import Subject, parse_rule
from worker.domain.projects.events import EventType

Routes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class RouteCheck:
    """Whether an event goes to a destination (None: it depends on the project), and because of which routes."""

    event_type: EventType
    destination: str
    goes: bool | None
    because: str


def check_routes(
    event_type: EventType, routes: Routes, notify: Routes, subject: Subject | None = None
) -> list[RouteCheck]:
    """Return a judgement for every destination that the settings or the project name, those that it goes to first."""
    named: dict[str, list[tuple[bool | None, str]]] = {}
    for source, table in (("RENDERWATCH_ROUTES", routes), ("the project's notify", notify)):
        for key, destinations in table.items():
            goes, why = _judge(event_type, key, subject)
            for destination in destinations:
                named.setdefault(destination, []).append((goes, f"{source} {why}"))
    checks = [_check(event_type, destination, found) for destination, found in named.items()]
    return sorted(checks, key=lambda check: (check.goes is False, check.goes is None))


def _judge(event_type: EventType, key: str, subject: Subject | None) -> tuple[bool | None, str]:
    rule = parse_rule(key)
    what = f"sends {'every event' if rule.pattern == '*' else rule.pattern} there"
    only = f"{what} only if {rule.condition}"
    if not rule.covers(event_type):
        return False, f"{what}, not {event_type}"
    if not rule.filters:
        return True, what
    if subject is None:
        return None, only
    differing = [name for name, wanted in rule.filters.items() if subject.value(name) != wanted]
    if not differing:
        return True, f"{only}, as here"
    has = " and ".join(f"{name} is {_shown(subject.value(name))}" for name in differing)
    return False, f"{only}, but {has}"


def _shown(value: str | None) -> str:
    return "not set" if value is None else value


def _check(event_type: EventType, destination: str, found: Sequence[tuple[bool | None, str]]) -> RouteCheck:
    goes: bool | None = any(each for each, _ in found)
    if not goes and any(each is None for each, _ in found):
        goes = None
    return RouteCheck(event_type, destination, goes, "; ".join(why for each, why in found if each is goes))
