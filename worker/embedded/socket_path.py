"""The socket of the private Redis: a short path, in a private folder, without leftovers of an earlier run."""

import hashlib
import os
import socket as sockets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_LONGEST: Final = 103  # bytes of a socket's path that every system accepts (macOS 103, Linux 107)
_ORPHAN_STOP_SECONDS: Final = 10.0


class SocketUnavailableError(Exception):
    """There is no safe path for the socket, or a server of an earlier run still listens there."""


def client(socket: Path) -> Redis:
    """Return a client that tries once, with a time-out of two seconds."""
    return Redis(unix_socket_path=str(socket), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


@contextmanager
def claimed_socket(folder: Path) -> Iterator[Path]:
    """Yield the path of the socket, after stopping any server that an earlier run left there; remove it at the end.

    The caller holds the folder's lock, so that whatever still listens is an orphan. Raises SocketUnavailableError when
    there is no safe place or the orphan does not stop.
    """
    socket = folder / "redis.sock"
    elsewhere = None
    if len(os.fsencode(socket)) > _LONGEST:
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
    short = (base if len(os.fsencode(base)) + len(name) < _LONGEST - 20 else Path("/tmp")) / name  # noqa: S108 - checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SocketUnavailableError(f"{short} is not a private folder of this user; remove it")
    return short


def _stop_orphan(socket: Path) -> None:
    """Stop a server whose owner was killed together with its guard."""
    if not _listens(socket):
        return
    with closing(client(socket)) as redis, suppress(RedisError):
        redis.shutdown()
    deadline = time.monotonic() + _ORPHAN_STOP_SECONDS
    while _listens(socket):
        if time.monotonic() > deadline:
            raise SocketUnavailableError(
                f"a server of an earlier run still listens on {socket} and does not stop; end it"
            )
        time.sleep(0.02)


def _listens(socket: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        try:
            probe.connect(str(socket))
        except OSError:  # no such file, or left over and refused
            return False
    return True
