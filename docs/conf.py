"""How Sphinx builds the documentation site: ``make docs``. The navigation is docs/index.md."""

import shutil
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "Renderwatch"
author = "The Renderwatch developers"
html_title = project
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
# Not every block that is coloured is whole: psql's own commands in SQL, … in JSON.
suppress_warnings = ["misc.highlighting_failure"]


class Mermaid(Directive):
    """A diagram, which diagrams.js draws in the reader's browser from the copy of Mermaid that the site carries."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the source readable for a browser without scripts."""
        source = nodes.literal_block(text="\n".join(self.content), classes=["mermaid-source"])
        source["language"] = "text"
        return [source]


def add_schemas(app: Sphinx, error: Exception | None) -> None:
    """Serve the JSON Schemas under names that do not change with their content, as links to downloads do."""
    if error is None:
        shutil.copytree(HERE / "schemas", Path(app.outdir) / "schemas", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Register what this site adds to Sphinx."""
    app.add_directive("mermaid", Mermaid)
    app.add_js_file("diagrams.js", loading_method="defer")
    app.connect("build-finished", add_schemas)
