"""Renderwatch as users get it: a wheel, installed with what it declares and nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.processes import ROOT

VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
_PIN: Final = re.compile(r"^([A-Za-z0-9_.\[\]-]+==[^\s;\\]+)( ;[^\\]*)?", re.MULTILINE)


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a source tree with the build backend of the tests' environment."""
    _pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("renderwatch-*.whl")
    return wheel


def python(version: str) -> str | None:
    """Return the path of a Python of this version, if the machine has one that runs."""
    found = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")]
    for path in filter(None, found):
        command = [str(path), "-c", "import sys; print(sys.executable)"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return str(said.stdout).strip()
    return None


def install(wheel: Path, interpreter: str, folder: Path) -> tuple[str, ...]:
    """Install a wheel into a new environment, in the locked versions. Returns the command ``renderwatch``."""
    subprocess.run([interpreter, "-m", "venv", str(folder)], check=True, capture_output=True)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join("".join(pin) for pin in _PIN.findall(lock)), encoding="utf-8")
    _pip(str(folder / "bin/python"), "install", "--constraint", str(constraints), str(wheel))
    return (str(folder / "bin/renderwatch"),)


def install_beside(wheel: Path, folder: Path) -> tuple[str, ...]:
    """Install a wheel alone into a folder, for this Python, which has everything that it needs."""
    _pip(sys.executable, "install", "--no-deps", "--target", str(folder), str(wheel))
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from worker.cli.main import main; main()"
    return (sys.executable, "-c", start, str(folder))


def _pip(interpreter: str, *arguments: str) -> None:
    command = [interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
