"""A heartbeat file per process, which its owner locks while it lives.

The lock tells a dead process from one that hangs, even if the process id was reused. The kernel releases it
with the process, and pool children do not inherit it.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Role = Literal["worker", "beat"]
BEAT_EVERY: Final = 5.0
# Several missed heartbeats, and longer than any pause of a busy machine.
SILENT_AFTER: Final = 60.0
# After this a process is restarted. A call to a broker that hangs blocks the main loop for about 65 s, because redis-py
# repeats it ten times, and no restart helps against that. The watchdog's default is the same.
HANGS_AFTER: Final = 300.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A living process: seconds since its last heartbeat, and what keeps it from working, if anything."""

    pid: int
    age: float
    problem: str | None


class ProcessHeartbeat:
    """The heartbeat of this process. Not to be used by its children."""

    def __init__(self, folder: Path, role: Role) -> None:
        """Create and lock the file. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pid = os.getpid()
        self._path = folder / f"{role}-{self._pid}"
        draft = folder / f".{role}-{self._pid}"
        self._file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # A reader that sees it before it is locked would remove it as a dead process's file.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        self.beat()
        draft.rename(self._path)

    def beat(self, problem: str | None = None) -> None:
        """Record that the main loop runs, and what keeps the process from working."""
        text = json.dumps({"beat_at": time.monotonic(), "problem": problem}).encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
        _tell_systemd()

    def close(self) -> None:
        """Remove the file."""
        if os.getpid() == self._pid:
            self._path.unlink(missing_ok=True)
            os.close(self._file)


def _tell_systemd() -> None:
    """Notify systemd's watchdog, for units with WatchdogSec=."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, contextlib.suppress(OSError):
            notify.sendto(b"WATCHDOG=1", "\0" + address[1:] if address.startswith("@") else address)


def living_processes(folder: Path, role: Role) -> list[ProcessState]:
    """Return the living processes of a role that share a folder. Files of dead ones are removed."""
    return sorted(_read_all(folder, role), key=lambda state: state.pid)


def _read_all(folder: Path, role: Role) -> Iterator[ProcessState]:
    for path in folder.glob(f"{role}-*"):
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its owner is alive
                yield _state(path, file.read(10_000))
            else:
                path.unlink()


def _state(path: Path, text: bytes) -> ProcessState:
    try:
        noted = json.loads(text)
        return ProcessState(int(path.name.rpartition("-")[2]), time.monotonic() - noted["beat_at"], noted["problem"])
    except (ValueError, KeyError, TypeError):  # read during a write: the heartbeat is current
        return ProcessState(int(path.name.rpartition("-")[2]), 0.0, None)
