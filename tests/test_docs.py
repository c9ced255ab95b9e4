import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from worker.domain.events import EVENT_TYPES, Event, payload
from worker.domain.project import Project
from worker.settings import Settings, env_name

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs/events.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["enqueue.py", "studio.py"])
def test_readme_shows_the_examples_that_the_tests_run(name: str) -> None:
    code = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert f"<!-- examples/{name} -->\n```python\n{code}```" in README


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(field: str) -> None:
    row = re.search(rf"^\| `{env_name(field)}` \| (.*?) \|", SETTINGS, re.MULTILINE)
    assert row, f"{env_name(field)} is not in docs/settings.md"
    default = Settings.model_fields[field].get_default(call_default_factory=True)
    if isinstance(default, (int, float)):
        assert float(row[1].strip("`")) == default
    elif isinstance(default, tuple):
        assert tuple(json.loads(row[1].strip("`"))) == default


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {env_name(field) for field in Settings.model_fields}
    assert set(re.findall(r"^\| `([A-Z_]+)`", SETTINGS, re.MULTILINE)) == known


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_is_documented_with_an_example_that_has_exactly_its_fields(event_type: str) -> None:
    section = EVENTS.split(f"## `{event_type}`\n")[1].split("\n## ")[0]
    example = json.loads(section.split("```json\n")[1].split("```")[0])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    real = payload(
        Event("project.started", "started", 1, None, None),
        "id",
        Project("video", "cmb1xk2v80000l70", "default", at),
        at,
    )
    assert example.keys() == real.keys()
    assert example["type"] == event_type


def test_every_field_of_an_event_is_explained() -> None:
    table = EVENTS.split("\n## ")[0]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = Event("project.started", "started", 1, None, None)
    for name in payload(event, "id", Project("video", "cmb1xk2v80000l70", "default", at), at):
        assert f"`{name}`" in table


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert targets == explained


@pytest.mark.parametrize("path", sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md")))
def test_decisions_are_numbered(path: str) -> None:
    title = (ROOT / "docs/decisions" / path).read_text(encoding="utf-8").splitlines()[0]
    assert title.startswith(f"# {int(path[:4])}. ")
