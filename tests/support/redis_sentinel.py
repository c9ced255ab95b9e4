"""A Redis master, its replica and three Sentinels of the test's own, so that the master can be frozen."""

import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from tests.support.processes import ROOT, wait_for
from tests.support.services import Broker, unavailable

MASTER_NAME: Final = "renderwatch"


class SentinelCluster:
    """Five processes on free ports. As a context manager it starts them, and stops them at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._ports = _free_ports(5)
        self.master_port, self._replica_port, *self._sentinel_ports = self._ports
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir()
        program = shutil.which("redis-server")
        if program is None:
            unavailable("no redis-server on the PATH")
        with self._stack:
            replica = f"--replicaof 127.0.0.1 {self.master_port} --repl-diskless-sync-delay 0"
            for port, options in ((self.master_port, ""), (self._replica_port, replica)):
                data = self._folder / str(port)
                data.mkdir()
                file = str(
                    shutil.copy(ROOT / "deploy/redis/redis.conf", data)
                )  # a copy: after a failover it is rewritten
                own = f"--port {port} --bind 127.0.0.1 --dir {data} {options}"
                self._start(port, [program, file, *own.split()])
            for port in self._sentinel_ports:
                self._start(port, [program, str(self._sentinel_file(port)), "--sentinel"])
            wait_for(self._is_complete, 30, "the Sentinels know the replica and each other")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def broker(self) -> Broker:
        urls = ";".join(f"sentinel://127.0.0.1:{port}/0" for port in self._sentinel_ports)
        return Broker(urls, {"master_name": MASTER_NAME})

    def freeze_master(self) -> None:
        """Stop the master where it stands: its connections stay open, and nothing comes over them."""
        self._processes[self.master_port].send_signal(signal.SIGSTOP)

    def freeze_sentinel(self) -> None:
        """Stop the first Sentinel, which is asked first."""
        self._processes[self._sentinel_ports[0]].send_signal(signal.SIGSTOP)

    def current_master(self) -> int:
        """Return the port of the master, as a Sentinel that runs knows it."""
        with redis.Redis(port=self._sentinel_ports[-1], socket_timeout=2) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER_NAME)[1])

    def _is_complete(self) -> bool:
        with suppress(redis.RedisError, KeyError, IndexError):
            for port in self._sentinel_ports:
                with redis.Redis(port=port, socket_timeout=2) as client:
                    state = client.sentinel_master(MASTER_NAME)
                if (state["num-slaves"], state["num-other-sentinels"]) != (1, 2):
                    return False
            with redis.Redis(port=self._replica_port, socket_timeout=2) as client:
                return bool(client.info("replication")["master_link_status"] == "up")
        return False

    def _sentinel_file(self, port: int) -> Path:
        path = self._folder / f"sentinel-{port}.conf"
        documented = (ROOT / "deploy/redis/sentinel.conf").read_text(encoding="utf-8")
        own = documented.replace("port 26379", f"port {port}\nbind 127.0.0.1\ndir {self._folder}")
        path.write_text(own.replace("10.0.0.21 6379", f"127.0.0.1 {self.master_port}"), encoding="utf-8")
        return path

    def _start(self, port: int, command: list[str]) -> None:
        with (self._folder / f"{port}.out").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        self._processes[port] = process
        self._stack.callback(process.wait, 10)
        self._stack.callback(process.kill)
        wait_for(lambda: _answers(port), 15, f"Redis on port {port} answers")


def _answers(port: int) -> bool:
    with suppress(redis.RedisError), redis.Redis(port=port, socket_timeout=2) as client:
        return bool(client.ping())
    return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
