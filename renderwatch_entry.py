"""The command ``renderwatch`` and the processes that it starts, with the packages installed beside this file.

``worker`` and ``migrations`` are common names: another application's, on PYTHONPATH, would be imported instead of ours.
The name of this file is ours alone.
"""

import runpy
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

_FOLDER: Final = str(Path(__file__).absolute().parent)
_OURS: Final = ("worker", "migrations")


class _Finder:
    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [_FOLDER]) if name in _OURS else None


sys.meta_path.insert(0, _Finder)


def main() -> None:
    """Run the command ``renderwatch``."""
    from worker.cli.main import main as renderwatch  # noqa: PLC0415  found by the finder above

    renderwatch()


if __name__ == "__main__":  # with the name of one of our modules, and its arguments
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
