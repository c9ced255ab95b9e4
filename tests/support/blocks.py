"""The code blocks of README and docs, and the comment before each that says what runs it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# Pages whose blocks are held to the code as a whole.
HELD: Final = {
    "docs/cli.md": "tests/web/test_reference_pages.py",
    "docs/data-dictionary.md": "tests/store/readers/test_views.py",
    "docs/events.md": "tests/test_docs.py",
    "docs/metrics.md": "tests/web/test_metrics.py",
}
_RUN: Final = {"run: shell", "run: settings", "run: python"}
_BLOCK: Final = re.compile(r"(?:^ *<!-- ([^\n]+) -->\n)?^( *)```([^\n]*)\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block: its page, the line at which it starts, its language and text, and the comment before it."""

    page: str
    line: int
    language: str
    text: str
    comment: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    """Return the blocks of README and docs. Decisions are history: what they show need not work today."""
    pages = [
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "docs/operations").glob("*.md")),
    ]
    return [block for page in pages for block in _of(page)]


def marked(comment: str) -> list[Block]:
    """Return the blocks that have this comment."""
    return [block for block in blocks() if block.comment == comment]


def _of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        comment, _, language, code = found.groups(default="")
        line = text.count("\n", 0, found.start(2)) + 1
        if not language.startswith("{"):  # {toctree} and {include} are for the site
            yield Block(str(page.relative_to(ROOT)), line, language, dedent(code), comment)


def is_run_or_explained(block: Block) -> bool:
    """Whether a test runs this block, or the comment before it says why none does."""
    is_query = block.page == "docs/queries.md" and block.language == "sql"  # tests/store/readers/test_queries.py
    is_example = block.comment.startswith("examples/") and (ROOT / block.comment).exists()  # tests/test_guides.py
    has_reason = block.comment.startswith("not run: ") and len(block.comment) > len("not run: why")
    is_held = block.page in HELD or block.language == "mermaid" or is_query or is_example
    return is_held or block.comment in _RUN or has_reason
