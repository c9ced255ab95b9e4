"""Where the private Redis listens: a place that is short enough, ours alone, and free of leftovers."""

from __future__ import annotations

import hashlib
import os
import socket as sockets
import stat
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from worker.embedded.candidate import CandidateError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 103  # bytes of a socket's path that every system accepts (macOS 103, Linux 107)
ORPHAN_STOPS_WITHIN = 10.0  # seconds


def client(socket: Path) -> Redis:
    """Return a client that tries once and waits no longer than two seconds."""
    return Redis(unix_socket_path=str(socket), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


@contextmanager
def claimed_socket(folder: Path) -> Iterator[Path]:
    """Give the path for a socket, after stopping what an earlier run left there; remove it at the end.

    The caller holds the folder's lock, so that whatever still listens is an orphan. Raises CandidateError when there
    is no safe place or the orphan does not stop.
    """
    socket = folder / "redis.sock"
    elsewhere = None
    if len(os.fsencode(socket)) > LONGEST:
        elsewhere = _short_folder(folder)
        socket = elsewhere / "redis.sock"
    _stop_orphan(socket)
    socket.unlink(missing_ok=True)
    try:
        yield socket
    finally:
        socket.unlink(missing_ok=True)
        if elsewhere:
            elsewhere.rmdir()


def _short_folder(folder: Path) -> Path:
    """Return a private folder with a short path that is the same at each start, so that an orphan is found again."""
    name = f"renderwatch-{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}"
    base = Path(tempfile.gettempdir())
    short = (base if len(os.fsencode(base)) + len(name) < LONGEST - 20 else Path("/tmp")) / name  # noqa: S108 - checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        message = f"{short} is not a private folder of this user; remove it"
        raise CandidateError(message)
    return short


def _stop_orphan(socket: Path) -> None:
    """Stop a server whose owner was killed together with its guard."""
    if not _listens(socket):
        return
    with closing(client(socket)) as redis, suppress(RedisError):
        redis.shutdown()
    deadline = time.monotonic() + ORPHAN_STOPS_WITHIN
    while _listens(socket):
        if time.monotonic() > deadline:
            message = f"a server of an earlier run still listens on {socket} and does not stop; end it"
            raise CandidateError(message)
        time.sleep(0.02)


def _listens(socket: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        try:
            probe.connect(str(socket))
        except OSError:  # no such file, or left over and refused
            return False
    return True
