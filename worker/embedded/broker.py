"""Run a private broker for one state folder: the best one that this machine can offer."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from worker.embedded.candidate import Candidate, CandidateError, EmbeddedBroker
from worker.embedded.redis_server import redis_from_wheel, redis_server, valkey_server
from worker.embedded.serverless import serverless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["CANDIDATES", "BrokerInUseError", "BrokerUnavailableError", "EmbeddedBroker", "embedded_broker"]

CANDIDATES: tuple[Candidate, ...] = (redis_server, valkey_server, redis_from_wheel, serverless)


class BrokerInUseError(Exception):
    """Another process runs the broker of this state folder."""


class BrokerUnavailableError(Exception):
    """None of the candidates could be had on this machine."""


@contextmanager
def embedded_broker(state_dir: Path, candidates: Sequence[Candidate] = CANDIDATES) -> Iterator[EmbeddedBroker]:
    """Run the first of `candidates` that works, with its data in `state_dir`/broker, until the block ends.

    A server that had to be started is stopped at the end, and also when this process is killed.
    Raises BrokerInUseError when another process has the broker of this folder, BrokerUnavailableError when no candidate
    works, OSError when the folder cannot be made. All messages are one line and say what to do.
    """
    folder = state_dir.absolute() / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _held_alone(folder), ExitStack() as stack:
        broker, refused = _first_that_works(candidates, folder, stack)
        because = f" ({'; '.join(refused)})" if refused else ""
        yield replace(broker, description=broker.description + because)


def _first_that_works(
    candidates: Sequence[Candidate], folder: Path, stack: ExitStack
) -> tuple[EmbeddedBroker, list[str]]:
    refused: list[str] = []
    for candidate in candidates:
        try:
            return stack.enter_context(candidate(folder)), refused
        except CandidateError as error:
            refused.append(str(error))
    message = f"No broker could be started ({'; '.join(refused)}). Install Redis, or set the URL of a broker."
    raise BrokerUnavailableError(message)


@contextmanager
def _held_alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel releases it with the process, however that ends."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            message = (
                f"Another renderwatch (process {lock.read().strip() or 'unknown'}) runs in {folder.parent}."
                " Stop it first, or choose another state folder."
            )
            raise BrokerInUseError(message) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
