"""What a benchmark starts for itself, and what each process of it has cost. Linux only: the figures come from /proc."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import certifi
import psycopg
import redis
import requests

from tests.support.certificates import make_certificate

_TICK: Final = os.sysconf("SC_CLK_TCK")
_PERIOD: Final = 0.05


def cpu_of(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes, with those of their ended children."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / _TICK


def resident(pid: int) -> float:
    """Return the MiB of memory that a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def with_children(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        found += [int(child) for child in children.read_text(encoding="utf-8").split()] if children.exists() else []
    return found


def backends(url: str) -> list[int]:
    """Return the processes of PostgreSQL that serve a database, without the one that tells."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [row[0] for row in rows]


@dataclass(frozen=True)
class Api:
    """A stand-in that runs: its address, its process, and the certificates to trust (None for plain HTTP)."""

    url: str
    process: int
    trusted: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """What requests must know of it."""
        return {"REQUESTS_CA_BUNDLE": str(self.trusted)} if self.trusted else {}

    def answered(self) -> int:
        """Return how many requests it has answered."""
        return int(self.get("/cost")[1])

    def get(self, path: str) -> list[float]:
        """Ask it something."""
        found: list[float] = requests.get(self.url + path, timeout=30, verify=str(self.trusted or True)).json()
        return found


@contextmanager
def stand_in(folder: Path, *, tls: bool = False, delay: float = 0.0) -> Iterator[Api]:
    """Run a stand-in in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.stand_in", "--delay", str(delay)]
    trusted = None
    if tls:
        certificate, trusted = _certificate(folder)
        command += ["--certificate", str(certificate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        try:
            assert process.stdout is not None  # noqa: S101  it is a pipe
            port = int(process.stdout.readline())
            yield Api(f"{'https' if tls else 'http'}://127.0.0.1:{port}", process.pid, trusted)
        finally:
            process.kill()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate, and a file in which it stands among those that everybody trusts."""
    certificate = make_certificate(folder)
    if certificate is None:
        raise SystemExit("there is no openssl on the PATH, which makes a certificate")
    trusted = folder / "trusted.pem"
    texts = [Path(certifi.where()).read_text(encoding="utf-8"), certificate.read_text(encoding="utf-8")]
    trusted.write_text("".join(texts), encoding="utf-8")
    return certificate, trusted


@dataclass(frozen=True)
class Redis:
    """A Redis server of the benchmark's own."""

    url: str
    process: int

    def commands(self) -> int:
        """Return how many commands it has run."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.info("stats")["total_commands_processed"])


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Run Redis on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = shutil.which("redis-server") or str(Path(sys.executable).parent / "redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603  as above
        try:
            url = f"redis://127.0.0.1:{port}/0"
            with redis.Redis.from_url(url) as client:
                for _ in range(200):
                    try:
                        client.ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(_PERIOD)
            yield Redis(url, process.pid)
        finally:
            process.terminate()


def spread(values: Iterable[float]) -> str:
    """Write the middle of some figures, and the least and the greatest."""
    each = sorted(values)
    return f"{each[len(each) // 2]:.3g} ({each[0]:.3g} to {each[-1]:.3g})"


def processor() -> str:
    """Tell what this machine is."""
    found = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    return json.dumps(found[0].partition(":")[2].strip() if found else "unknown")[1:-1] + f", {os.cpu_count()} cores"
