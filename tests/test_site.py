"""The documentation site: every link leads to a file and a heading. tests/test_docs.py has the navigation."""

import re
from pathlib import Path

import pytest

from tests.support.navigation import navigation

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def headings(page: Path) -> set[str]:
    text = re.sub(CODE, "", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower().strip()).replace(" ", "-") for title in titles}


def test_the_navigation_names_no_page_that_is_gone() -> None:
    assert set(navigation()) <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_links_name_files_and_headings_that_exist(page: str) -> None:
    text = re.sub(CODE, "", (DOCS / page).read_text(encoding="utf-8"))
    for file, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        if "://" in file:
            continue
        target = (DOCS / page).parent / file if file else DOCS / page
        assert target.is_file(), f"docs/{page} links to {file}: the site needs a file there, not a folder"
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), f"docs/{page}: {file or page} has no heading #{anchor}"


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name)
def test_no_page_holds_the_markers_of_a_merge_conflict(page: Path) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text(encoding="utf-8"), re.MULTILINE) == []
