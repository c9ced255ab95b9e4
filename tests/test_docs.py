import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema_rs import ValidationError

from tests.support.blocks import Block, blocks, is_run_or_explained
from tests.support.event_schemas import check_payload
from tests.support.navigation import DOCS, navigation
from worker.client.events import SCHEMA_VERSION
from worker.client.schemas import files
from worker.domain.projects.events import EVENT_TYPES, Event, EventType, payload
from worker.domain.projects.events import SCHEMA_VERSION as SERVED_VERSION
from worker.domain.projects.example_events import example_payload
from worker.domain.projects.project import Project
from worker.settings import Settings, env_name

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs/events.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_every_example_is_shown_as_the_tests_run_it(name: str) -> None:
    code = (ROOT / "examples" / name).read_text(encoding="utf-8")
    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))]
    assert any(f"<!-- examples/{name} -->\n```python\n{code}```" in page for page in pages)


@pytest.mark.parametrize("name", ["webhook_fastapi.py", "webhook_django.py"])
def test_the_page_about_webhooks_shows_the_examples_that_the_tests_run(name: str) -> None:
    code = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert f"<!-- examples/{name} -->\n```python\n{code}```" in (ROOT / "docs/webhooks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(field: str) -> None:
    row = re.search(rf"^\| `{env_name(field)}` \| (.*?) \|", SETTINGS, re.MULTILINE)
    assert row, f"{env_name(field)} is not in docs/settings.md"
    default = Settings.model_fields[field].get_default(call_default_factory=True)
    if isinstance(default, bool):
        assert json.loads(row[1].strip("`")) is default
    elif isinstance(default, (int, float)):
        assert float(row[1].strip("`")) == default
    elif isinstance(default, tuple):
        assert tuple(json.loads(row[1].strip("`"))) == default


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {env_name(field) for field in Settings.model_fields}
    assert set(re.findall(r"^\| `([A-Z_]+)`", SETTINGS, re.MULTILINE)) == known


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_is_documented_with_an_example_that_has_exactly_its_fields(event_type: EventType) -> None:
    section = EVENTS.split(f"## `{event_type}`\n")[1].split("\n## ")[0]
    example = json.loads(section.split("```json\n")[1].split("```")[0])
    assert example == example_payload(event_type, example["id"])


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schema_of_every_event_is_up_to_date_and_fits(event_type: EventType) -> None:
    written = (ROOT / f"docs/schemas/{event_type}.json").read_text(encoding="utf-8")
    assert written == files()[f"{event_type}.json"], "run: make schemas"
    real = example_payload(event_type, "01937a5e-7c00-7000-8000-3f5c1d2e4a6b")
    check_payload(real)
    # Every field is there, and required: a consumer may rely on it.
    schema = json.loads(written)
    assert schema["properties"].keys() - real.keys() == {"example"}
    assert set(schema["required"]) == real.keys()
    for broken in ({"sequence": "1"}, {"occurred_at": "soon"}, {"kind": "text"}, {"metadata": None}):
        with pytest.raises(ValidationError):
            check_payload(real | broken)


def test_no_schema_is_left_of_an_event_that_is_gone() -> None:
    assert {path.name for path in (ROOT / "docs/schemas").iterdir()} == set(files())
    assert {name.removesuffix(".json") for name in files()} == set(EVENT_TYPES)
    assert SCHEMA_VERSION == SERVED_VERSION


def test_every_field_of_an_event_is_explained() -> None:
    table = EVENTS.split("\n## ")[0]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for event_type in EVENT_TYPES:
        event = Event(event_type, "started", 1, None, None)
        for name in payload(event, "id", Project("video", "cmb1xk2v80000l70", "default", at), at):
            assert f"`{name}`" in table


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert targets == explained


DECISIONS = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("page", sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")))
def test_every_page_has_one_place_in_the_navigation(page: str) -> None:
    places = 1 if page == "index.md" else navigation().count(page)
    assert places == 1, (
        f"docs/{page} is in the navigation {places} times. Add its path without .md to one list of docs/index.md: "
        "Start, How to, Understand, Look up, Operate or Work on it."
    )


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_of_code_is_run_or_says_why_not(block: Block) -> None:
    assert is_run_or_explained(block), (
        f"{block}: put a line before this block: <!-- run: shell -->, <!-- run: settings --> or <!-- run: python --> "
        "(tests/test_blocks.py says what they do), or <!-- not run: REASON -->"
    )


def test_the_architecture_names_files_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml|html|json|md))`", text)
    places = (ROOT, ROOT / "worker")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    assert len(named) > 40


# Words that were given up for the field's own (docs/glossary.md). Names of tables and columns are not prose.
RETIRED = re.compile(
    r"\b(for ever|anew|hand(s|ed|ing)? over|hand-over|news|came back|saved up|booked(?!_until)|stands? in|whoever|"
    r"keeps? up|kept up|worth nothing|waits? in a circle|without a word|falls? silent|whatever becomes of|"
    r"looks? after|plays? along|of so many|gives? no sign)\b",
    re.IGNORECASE,
)
PROSE = [
    *(path for kind in ("py", "html", "js", "toml") for path in (ROOT / "worker").rglob(f"*.{kind}")),
    *(page for page in PAGES if "decisions" not in page.parts and page.name not in {"queries.md", "CHANGELOG.md"}),
]


def test_retired_words_do_not_return() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in PROSE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := RETIRED.search(line))
    ]
    assert found == []


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d{4}-[^)]+)\)", index) == DECISIONS


@pytest.mark.parametrize("path", DECISIONS)
def test_decisions_are_numbered(path: str) -> None:
    title = (ROOT / "docs/decisions" / path).read_text(encoding="utf-8").splitlines()[0]
    assert title.startswith(f"# {int(path[:4])}. ")
