import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp

PROJECT = Path(__file__).parents[1]


def test_imports_keep_the_contracts() -> None:
    # A process of its own: its logging configuration disables every logger that exists.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    checked = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_need_the_standard_library_alone() -> None:
    graph = grimp.build_graph("worker", include_external_packages=True, cache_dir=None)
    # Formatting is as pure as the rules, and findings of health are sentences.
    rules = {"worker.domain", "worker.formatting", *graph.find_descendants("worker.domain")}
    needed = {name for rule in rules for name in graph.find_modules_directly_imported_by(rule)} - rules
    assert needed <= sys.stdlib_module_names
    assert not needed & {"asyncio", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time"}


MOST_MODULES = 16
MOST_LINES = 250
# One file for each command: who looks for a command finds it by its name.
COMMANDS = PROJECT / "worker" / "cli"


def test_folders_and_files_stay_small() -> None:
    modules = list((PROJECT / "worker").rglob("*.py"))
    sizes = Counter(module.parent for module in modules if module.name != "__init__.py")
    assert [folder for folder, size in sizes.items() if size > MOST_MODULES and folder != COMMANDS] == []
    assert [module for module in modules if len(module.read_text().splitlines()) > MOST_LINES] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("worker", cache_dir=None)
    remaining = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # A module whose imports are all settled is settled; those that never are make a circle.
    while settled := {module for module, imported in remaining.items() if not imported & remaining.keys()}:
        remaining = {module: imported for module, imported in remaining.items() if module not in settled}
    assert sorted(remaining) == []
