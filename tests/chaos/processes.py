"""Processes of a chaos run: production's own, started again when they end, as any supervisor would do it."""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.processes import Program

_AGAIN_AFTER: Final = 1.0


@dataclass
class Part:
    """One process that shall always run."""

    name: str
    command: list[str]
    variables: Mapping[str, str]
    program: Program
    expected_end: bool = False
    ended_at: float | None = None


@dataclass
class Fleet:
    """All processes of a stack. ``role`` is a part's name up to its number: worker, beat, orders, up."""

    folder: Path
    parts: dict[str, Part] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    frozen: set[int] = field(default_factory=set)
    surprises: Counter[str] = field(default_factory=Counter)

    def start(self, name: str, command: list[str], variables: Mapping[str, str]) -> None:
        """Start a part."""
        self.parts[name] = Part(name, command, variables, self._run(name, command, variables))

    def _run(self, name: str, command: list[str], variables: Mapping[str, str]) -> Program:
        self.starts[name] += 1
        return Program(f"{name}.{self.starts[name]}", command, variables, self.folder)

    def tend(self) -> None:
        """Start again what has ended a second ago."""
        for part in self.parts.values():
            if part.program.process.poll() is None:
                continue
            if part.ended_at is None:
                part.ended_at = time.monotonic()
                if not part.expected_end:
                    self.surprises[f"{_role(part.name)} ended with {part.program.process.returncode}"] += 1
            elif time.monotonic() - part.ended_at > _AGAIN_AFTER:
                part.program = self._run(part.name, part.command, part.variables)
                part.ended_at, part.expected_end = None, False

    def mains(self, role: str) -> list[int]:
        """Return the process numbers of a role's main processes that run and are not frozen. Each leads a group."""
        found = [
            part.program.process.pid
            for part in self.parts.values()
            if _role(part.name) == role and part.program.process.poll() is None
        ]
        for part in self.parts.values():
            if _role(part.name) == "up" and part.program.process.poll() is None:
                found += [pid for pid in children(part.program.process.pid) if role in _words(pid)]
        return [pid for pid in found if pid not in self.frozen]

    def expect_end(self, pid: int) -> None:
        """Note that this main process is about to end because we want it to."""
        for part in self.parts.values():
            if part.program.process.pid == pid:
                part.expected_end = True

    def thaw(self) -> None:
        """Let every process go on that is still stopped: a stopped one cannot end."""
        for pid in self.frozen:
            signal_group(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop everything, side by side."""
        for part in self.parts.values():
            part.program.ask_to_stop()
        for part in self.parts.values():
            part.program.stop()

    def logs(self) -> dict[str, str]:
        """Return every line that any process of the run wrote, by file."""
        files = [path for path in self.folder.rglob("*.log*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_text(errors="replace") for path in files}


def _role(name: str) -> str:
    return name.partition("-")[0]


def _words(pid: int) -> list[str]:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return [*words, Path(words[0].partition(" ")[0]).name]  # Redis writes its address behind its name
    return []


def children(pid: int) -> list[int]:
    """Return the process numbers of the children of a process."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def signal_group(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a main process and all that it started. Tells whether there was anybody."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
        return True
    return False


def signal_one(pid: int, number: signal.Signals) -> bool:
    """Send a signal to one process. Tells whether there was anybody."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
