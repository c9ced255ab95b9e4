"""Celery tasks as destinations: ``celery:<task>?queue=…&confirm=…``, or ``celery+<broker>:…`` on a named broker."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from worker.domain.deliveries.terms import Terms

# Celery's default queue, which an application consumes unless configured otherwise.
DEFAULT_QUEUE: Final = "celery"
FORM: Final = "celery:<task name>, celery:<task>?queue=<queue> or https://host/path"
_SCHEME: Final = re.compile(
    r"celery(\+(?P<broker>[a-z0-9_-]{1,63}))?:(?P<task>[^?#]*)(?:\?(?P<query>[^#]*))?", re.ASCII
)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN: Final = re.compile(r"[!-~]+", re.ASCII)  # what is not must be percent-encoded
_LONGEST_NAME: Final = 200
_OURS: Final = "renderwatch."
_TERMS: Final = frozenset({"confirm", "priority", "ordered"})  # how to deliver; every other option says where to
_DAY: Final = 86400
_MOST_URGENT: Final = 9


class CeleryDestinationError(ValueError):
    """A destination that cannot be understood. The text says what to write instead."""


@dataclass(frozen=True, slots=True)
class CeleryDestination:
    """A Celery task in whatever application listens on ``queue`` (None: Celery's default queue).

    ``confirm`` is how many seconds to wait for the task's success. ``priority`` is 0 to 9; its meaning depends on the
    broker. ``broker`` is the name of one in the settings (None: ours).
    """

    task: str
    queue: str | None = None
    confirm: float | None = None
    priority: int | None = None
    ordered: bool = False
    broker: str | None = None

    @property
    def terms(self) -> Terms:
        """How deliveries to it are made."""
        return Terms(confirm=self.confirm, ordered=self.ordered)


def parse_celery_destination(text: str) -> CeleryDestination:
    """Read a destination. Names may have any characters, percent-encoded. Raises CeleryDestinationError."""
    found = _SCHEME.fullmatch(text) if _PLAIN.fullmatch(text) and not _BAD_ESCAPE.search(text) else None
    if found is None:
        raise CeleryDestinationError(f"write {FORM}, and percent-encode spaces and what is not ASCII")
    task = _name("task", found["task"])
    options = _options(found["query"])
    if task.startswith(_OURS):
        raise CeleryDestinationError("that is one of Renderwatch's own tasks; name one of your own tasks")
    if str(options.get("queue", "")).startswith(_OURS):
        raise CeleryDestinationError("that is one of Renderwatch's own queues; name one of your own queues")
    if found["broker"] and options.get("confirm"):
        raise CeleryDestinationError(
            "confirm works on our own broker only: consumers confirm on theirs, where nobody of ours listens"
        )
    return CeleryDestination(task, broker=found["broker"], **options)


def matches_pattern(text: str, pattern: str) -> bool:
    """Whether a destination matches a pattern: its task, its queue, and those delivery terms that the pattern names.

    ``*`` matches any characters of a task or of an option, and never reaches from one into another. The order of
    options does not matter.
    """
    task, _, query = text.partition("?")
    task_pattern, _, query_pattern = pattern.partition("?")
    options, wanted = _parts(query), _parts(query_pattern)
    return (
        _matches(task, task_pattern)
        and all(any(_matches(option, each) for option in options) for each in wanted)
        and all(
            option.partition("=")[0] in _TERMS or any(_matches(option, each) for each in wanted) for option in options
        )
    )


def _parts(query: str) -> list[str]:
    return query.split("&") if query else []


def _matches(text: str, pattern: str) -> bool:
    expression = ".*".join(re.escape(unquote(part)) for part in pattern.split("*"))
    return re.fullmatch(expression, unquote(text), re.DOTALL) is not None


def _options(query: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in [] if query is None else query.split("&"):
        name, _, value = part.partition("=")
        if name not in _READERS:
            near = difflib.get_close_matches(name, _READERS, n=1)
            hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(_READERS)}"
            raise CeleryDestinationError(f"write {FORM}; {name[:50]!r} is not an option: {hint}")
        if name in options:
            raise CeleryDestinationError(f"write {FORM}; it names {name} twice")
        options[name] = _READERS[name](name, value)
    return options


def _name(what: str, quoted: str) -> str:
    try:
        name = unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        name = ""
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise CeleryDestinationError(f"write {FORM}; a {what} has 1 to {_LONGEST_NAME} characters that can be printed")
    return name


def _confirm(_: str, value: str) -> float:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", value, re.ASCII) or not 1 <= float(value) <= _DAY:
        raise CeleryDestinationError(f"confirm is the seconds within which the task is done, 1 to {_DAY}")
    return float(value)


def _priority(_: str, value: str) -> int:
    if not re.fullmatch(rf"[0-{_MOST_URGENT}]", value, re.ASCII):
        raise CeleryDestinationError(f"priority is a number from 0 to {_MOST_URGENT}")
    return int(value)


def _ordered(_: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise CeleryDestinationError("ordered is true or false")
    return value == "true"


_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "queue": _name,
    "confirm": _confirm,
    "priority": _priority,
    "ordered": _ordered,
}
