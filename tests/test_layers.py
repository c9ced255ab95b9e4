import subprocess
import sys
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
