"""Servers that a test starts for itself, so that it can break them. Each runs as a user that its program accepts."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.services import unavailable

_STOP_SECONDS = 20


def program(*names: str) -> str:
    """Return the path of a program, also of one that only root has on the PATH. Skips the test when there is none."""
    for name in names:
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if found:
            return found
    return unavailable(f"this machine has no {names[0]}")


@contextmanager
def folder_of(user: str) -> Iterator[Path]:
    """Give a folder that belongs to a user whom root can become; elsewhere one of our own."""
    with tempfile.TemporaryDirectory(prefix="rwtest-") as name:
        if os.getuid() == 0:
            owner = pwd.getpwnam(user)
            os.chown(name, owner.pw_uid, owner.pw_gid)
        yield Path(name)


def as_user(user: str) -> dict[str, object]:
    """Return what makes ``subprocess`` run a program as a user, when root does it."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}


class Server:
    """One running server, whose output is a file."""

    def __init__(self, command: Sequence[str], output: Path, user: str | None = None) -> None:
        """Start it."""
        with output.open("ab") as log:
            self.process = subprocess.Popen(  # type: ignore[call-overload]  # the user's options
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=output.parent,
                start_new_session=True,
                **(as_user(user) if user else {}),
            )
        self.output = output

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, also when it is frozen; kill it when it does not stop."""
        self.send(signal.SIGCONT)
        self.send(number)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
