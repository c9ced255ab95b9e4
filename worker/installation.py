"""The installation: how its modules are started, and whether its packages satisfy the code of an updated checkout."""

import sys
import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_ENTRY = Path(__file__).parents[1] / "renderwatch_entry.py"


class OutdatedInstallationError(Exception):
    """Packages are missing or too old. The message says which, and how to install them."""


def our_module(name: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours, even if PYTHONPATH has another ``worker`` package."""
    return (sys.executable, "-P", str(_ENTRY), name)


def check_installation() -> None:
    """Raise OutdatedInstallationError unless every declared package is installed in a suitable version."""
    try:
        wanting = [requirement for requirement in _declared() if not _is_met(requirement)]
    except ModuleNotFoundError:  # packaging itself may be missing
        wanting = ["packaging"]
    if not wanting:
        return
    how = (
        "make up (in your own environment: pip install -U -e .)" if _PROJECT.exists() else "pip install -U renderwatch"
    )
    raise OutdatedInstallationError(
        f"the installed packages are older than the code, which needs {', '.join(wanting)}; run {how}"
    )


def _declared() -> list[str]:
    # The metadata of an editable install is from the time of its installation.
    if _PROJECT.exists():
        found: list[str] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
        return found
    return [each for each in metadata.requires("renderwatch") or () if "extra ==" not in each]


def _is_met(text: str) -> bool:
    from packaging.requirements import Requirement  # noqa: PLC0415  may be missing

    requirement = Requirement(text)
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
