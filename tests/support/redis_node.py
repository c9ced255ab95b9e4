"""A Redis server of the test's own, so that it can be killed, frozen, filled and emptied."""

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import redis

from tests.support.processes import free_port, wait_for
from tests.support.services import Broker, unavailable


class RedisNode:
    """A private Redis on a port of its own, with its data in a folder, written at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def broker(self) -> Broker:
        return Broker(f"redis://127.0.0.1:{self.port}/0")

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, socket_timeout=2, socket_connect_timeout=2)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        server = shutil.which("redis-server")
        if server is None:
            unavailable("no redis-server on the PATH, which is killed and started again here")
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly yes --appendfsync always".split()
        with (self._folder / "redis.out").open("ab") as out:
            self._server = subprocess.Popen(
                [server, *options, "--save", "", "--dir", str(self._folder)],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        wait_for(self._answers, 15, "the private Redis answers")

    def _answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def kill(self, *, forget: bool) -> None:
        """Kill it at once; with ``forget`` its data is gone too."""
        self._signal(signal.SIGKILL)
        if self._server is not None:
            self._server.wait()
        if forget:
            shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def runs(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(number)
