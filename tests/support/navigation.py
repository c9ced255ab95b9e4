"""The navigation of the documentation site, as docs/index.md has it."""

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
_TOCTREE: Final = re.compile(r"^```\{toctree\}\n(.*?)^```", re.DOTALL | re.MULTILINE)


def navigation() -> list[str]:
    """Return the pages that the navigation names, as paths below docs/, as often as it names them."""
    return [*_entries("index.md"), *_entries("decisions/README.md")]


def _entries(page: str) -> list[str]:
    """The pages that the toctrees of one page name, as paths below docs/."""
    found: list[str] = []
    for options in re.findall(
        r"^```\{toctree\}\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        names = [line for line in options.splitlines() if line and not line.startswith(":")]
        for name in names:
            target = re.sub(r".*<(.+)>$", r"\1", name)
            folder = (DOCS / page).parent
            matches = folder.glob(f"{target}.md") if "*" in target else [folder / f"{target}.md"]
            found += [str(match.relative_to(DOCS)) for match in matches]
    return found
