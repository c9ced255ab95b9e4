"""The catalogue of log events and the code: each has what the other has."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.support.processes import ROOT
from worker.domain.log_events import CATALOGUE
from worker.logs_page import page

LEVELS: Final = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
METHODS: Final = {*LEVELS, "critical", "log"}
EVENTS: Final = {event.name: event for event in CATALOGUE}
# What the formatter writes into each line.
RESERVED: Final = {"time", "level", "event", "message", "logger", "task", "task_id", "process", "error"}


@dataclass(frozen=True)
class Line:
    """A call of a logger."""

    where: str
    method: str
    event: str | None


@dataclass(frozen=True)
class Made:
    """A call of ``event``."""

    where: str
    name: str
    fields: frozenset[str]


def calls() -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def log_lines() -> list[Line]:
    found = []
    for where, node in calls():
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in METHODS
            and "log" in ast.unparse(function.value).lower()
        ):
            extra = next((each.value for each in node.keywords if each.arg == "extra"), None)
            found.append(Line(where, function.attr, _name(extra)))
    return found


def _name(extra: ast.expr | None) -> str | None:
    """Return the name of an event; of one that was made before, a name that says nothing."""
    if isinstance(extra, ast.Name):
        return ""
    named = extra.args[0] if isinstance(extra, ast.Call) else None
    return str(named.value) if isinstance(named, ast.Constant) else None


def made_events() -> list[Made]:
    return [
        Made(where, str(node.args[0].value), frozenset(str(each.arg) for each in node.keywords))
        for where, node in calls()
        if isinstance(node.func, ast.Name) and node.func.id in {"event", "log_event"}
        if node.args and isinstance(node.args[0], ast.Constant)
    ]


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (ROOT / "docs/logs.md").read_text(encoding="utf-8") == page(), "run: make logs-page"


def test_every_log_line_names_its_event() -> None:
    assert [line.where for line in log_lines() if line.event is None] == []
    assert len(log_lines()) > 30


def test_every_event_of_the_code_is_in_the_catalogue_with_its_fields() -> None:
    unknown = [
        made for made in made_events() if made.name not in EVENTS or not made.fields <= {*EVENTS[made.name].fields}
    ]
    assert unknown == []


def test_every_event_and_field_of_the_catalogue_is_in_the_code() -> None:
    fields: dict[str, set[str]] = {}
    for made in made_events():
        fields.setdefault(made.name, set()).update(made.fields)
    assert fields == {event.name: {*event.fields} for event in CATALOGUE}


@pytest.mark.parametrize("line", [line for line in log_lines() if line.event and line.method in LEVELS], ids=str)
def test_the_catalogue_names_the_level(line: Line) -> None:
    assert LEVELS[line.method] in EVENTS[str(line.event)].levels.split(", ")


def test_no_field_hides_what_every_line_has() -> None:
    assert [event.name for event in CATALOGUE if not RESERVED.isdisjoint(event.fields)] == []
