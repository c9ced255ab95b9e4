"""What a route asks of an event: its type, and perhaps properties of its project."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from worker.domain.projects.events import EVENT_TYPES
from worker.domain.projects.status import KINDS

FORM: Final = "EVENT_TYPE[?kind=video&type=TEXT_TO_VIDEO&account=default&metadata.KEY=VALUE]"
_PREFIX: Final = "project."
_METADATA: Final = "metadata."
_FILTERS: Final = ("kind", "type", "account")
_LONGEST: Final = 1_000


class RouteRuleError(ValueError):
    """A rule that cannot be read. The message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules may ask about the project of an event."""

    kind: str
    account: str
    type: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Return the property that a filter names, as text; None if there is none."""
        if not name.startswith(_METADATA):
            return {"kind": self.kind, "account": self.account, "type": self.type}[name]
        key = name.removeprefix(_METADATA)
        if key not in self.metadata:
            return None
        value = self.metadata[key]
        return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class RouteRule:
    """A pattern of event types, and the filters that a project must pass, all of them."""

    pattern: str
    filters: Mapping[str, str]

    def covers(self, event_type: str) -> bool:
        """Return whether it is for events of a type."""
        return re.fullmatch(re.escape(self.pattern).replace(r"\*", ".*"), event_type) is not None

    def accepts(self, subject: Subject) -> bool:
        """Return whether a project passes the filters."""
        return all(subject.value(name) == wanted for name, wanted in self.filters.items())

    @property
    def condition(self) -> str:
        """The filters in words."""
        return " and ".join(f"{name}={wanted}" for name, wanted in self.filters.items())


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> RouteRule:
    """Read a rule, which is the key of a route. Raises RouteRuleError."""
    if len(text) > _LONGEST:
        raise RouteRuleError(f"{text[:100]!r}… is not a rule: it has more than {_LONGEST:,} characters")
    pattern, asks, query = text.partition("?")
    rule = RouteRule(pattern, _filters(text, query) if asks else {})
    if not any(map(rule.covers, EVENT_TYPES)):
        raise RouteRuleError(f"{pattern[:300]!r} is not an event type{_hint(pattern)}")
    return rule


def _hint(pattern: str) -> str:
    # Compare without the common prefix, which would make any two look similar.
    names = [event_type.removeprefix(_PREFIX) for event_type in EVENT_TYPES]
    near = difflib.get_close_matches(pattern.removeprefix(_PREFIX), names, n=1)
    return f"; did you mean {_PREFIX}{near[0]}?" if near else f"; there are {', '.join(EVENT_TYPES)} and *"


def _filters(text: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query or "?", keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise RouteRuleError(f"{text!r} is not a rule; write {FORM}") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise RouteRuleError(f"{text!r} names {name[:50]!r} twice; write a route for each value")
        if name not in _FILTERS and name.removeprefix(_METADATA) in {name, ""}:
            near = difflib.get_close_matches(name, _FILTERS, n=1)
            hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(_FILTERS)} and metadata.KEY"
            raise RouteRuleError(f"{text!r} is not a rule: {name[:50]!r} is not a filter: {hint}")
        if name == "kind" and value not in KINDS:
            raise RouteRuleError(f"{text!r} is not a rule: {value[:50]!r} is not a kind; there are {', '.join(KINDS)}")
        if name in _FILTERS and not value:
            raise RouteRuleError(f"{text!r} is not a rule: {name} has no value")
        found[name] = value
    return found
