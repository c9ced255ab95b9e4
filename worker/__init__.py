"""Renderwatch tracks Magic Hour projects until their status and their credits are final."""

from typing import Final

# The only place that defines it: packaging, `renderwatch --version`, the API and the dashboard read it from here.
__version__: Final = "0.2.0"
