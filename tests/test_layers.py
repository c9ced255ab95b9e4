import sys
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_imports_keep_the_contracts() -> None:
    assert lint_imports(config_filename=str(PYPROJECT), no_cache=True, no_logo=True) == 0


def test_the_rules_need_the_standard_library_alone() -> None:
    graph = grimp.build_graph("worker", include_external_packages=True, cache_dir=None)
    rules = {"worker.domain", *graph.find_descendants("worker.domain")}
    needed = {name for rule in rules for name in graph.find_modules_directly_imported_by(rule)} - rules
    assert needed <= sys.stdlib_module_names
    assert not needed & {"asyncio", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time"}
