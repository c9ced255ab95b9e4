"""Compare the brokers that need no server with Redis on a Unix socket, using real Celery workers.

Run: `python benchmarks/embedded_transport.py` (about six minutes; needs `redis-server` and a POSIX system with /proc).
For each broker it prints messages per second (two workers), the latency from send to task start, the CPU that two idle
workers use (percent of one core), what a SIGKILL of a worker in the middle lost or repeated, and the files left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from worker.embedded.spool import prepare, register, spool_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
QUEUES = ("intake", "checks", "deliveries", "upkeep")
PROBES, KILL_LOAD, IDLE_SECONDS = 25, 40, 8

register()

# The worker processes import this same file; the benchmark tells them the broker in one variable.
_SETTINGS: dict[str, Any] = json.loads(os.environ.get("BENCHMARK_BROKER", '{"broker_url": "memory://"}'))
app = Celery("benchmark")
app.conf.update(
    _SETTINGS,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    task_default_queue="checks",
)


@app.task(name="benchmark.note")
def note(log: str, number: int, work: float = 0.0) -> None:
    """Be busy for `work` seconds, then write down that message `number` was done now."""
    time.sleep(work)
    line = f"{number} {time.time():.6f}\n".encode()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, line)
    os.close(descriptor)


@dataclass
class Bench:
    """One broker under test, with its own folder, worker processes and sending side."""

    folder: Path
    settings: dict[str, Any]
    load: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the sending side."""
        self.sender = Celery("benchmark-sender", set_as_current=False)
        self.sender.conf.update(self.settings)
        self.log = self.folder / "done.txt"

    def start_worker(self) -> None:
        """Start one worker process with one child; it is ready when its first message has run."""
        name = f"w{len(self.workers)}@bench"
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.embedded_transport", "worker", "-c", "1"]
        command += ["-Q", ",".join(QUEUES), "-n", name, "--loglevel", "WARNING"]
        environment = os.environ | {"BENCHMARK_BROKER": json.dumps(self.settings)}
        with (self.folder / f"{name}.log").open("wb") as log:
            worker = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(worker)

    def send(self, number: int, work: float = 0.0) -> float:
        """Send one message; return the time just before."""
        now = time.time()
        self.sender.send_task("benchmark.note", args=[str(self.log), number, work], queue="checks", expires=300)
        return now

    def done(self) -> list[tuple[int, float]]:
        """Every run so far: number and time."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(int(number), float(at)) for number, at in (line.split() for line in lines)]

    def wait_for(self, numbers: range, quiet: float = 8.0) -> list[tuple[int, float]]:
        """Wait until all `numbers` are done, or until nothing was for `quiet` seconds."""
        size, changed = -1, time.monotonic()
        while True:
            seen = [start for start in self.done() if start[0] in numbers]
            if len({number for number, _ in seen}) == len(numbers) or time.monotonic() - changed > quiet:
                return seen
            if len(seen) != size:
                size, changed = len(seen), time.monotonic()
            time.sleep(0.01)

    def kill(self, worker: subprocess.Popen[bytes], how: signal.Signals) -> None:
        """Send a signal to a worker (SIGKILL: with its children) and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, how) if how is signal.SIGKILL else worker.send_signal(how)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            self.kill(worker, signal.SIGKILL)

    def cpu_seconds(self) -> float:
        """CPU time of all live workers with their children."""
        ticks = 0
        sessions = {worker.pid for worker in self.workers}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # the process ended meanwhile
                fields = path.read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12]) if int(fields[3]) in sessions else 0
        return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """What one run of one broker gave."""

    rate: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    idle_cpu: float = 0.0
    lost: int = 0
    repeated: int = 0
    load_lost: int = 0
    load_repeated: int = 0
    left: int = 0
    errors: int = 0


def measure(bench: Bench) -> Result:
    """Run the four measurements on one broker."""
    result = Result()
    for _ in range(2):
        bench.start_worker()
    for number in range(-4, 0):
        bench.send(number, work=0.3)
    bench.wait_for(range(-4, 0), quiet=20)
    load = range(bench.load)
    began = time.time()
    for number in load:
        bench.send(number)
    seen = bench.wait_for(load)
    result.rate = len(seen) / (max(at for _, at in seen) - began)
    result.load_lost, result.load_repeated = lost_and_repeated(seen, load)
    result.p50, result.p95 = latency(bench)
    before = bench.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    result.idle_cpu = 100 * (bench.cpu_seconds() - before) / IDLE_SECONDS
    result.lost, result.repeated = kill_in_the_middle(bench)
    for worker in bench.workers:
        bench.kill(worker, signal.SIGTERM)
    result.left = left_behind(bench.folder)
    logs = "".join(path.read_text() for path in bench.folder.glob("w*.log"))
    result.errors = logs.count("Traceback (most recent call last)")
    return result


def left_behind(folder: Path) -> int:
    """Count the messages that are still stored at the end: files, or rows in SQLite."""
    rows = 0
    for path in folder.glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows += database.execute("SELECT count(*) FROM kombu_message").fetchone()[0]
    return rows + sum(1 for _ in folder.rglob("*.msg"))


def latency(bench: Bench) -> tuple[float, float]:
    """Send messages at random moments to idle workers; return the median and the 95th percentile, in seconds."""
    probes = range(10_000, 10_000 + PROBES)
    sent = {}
    for number in probes:
        time.sleep(random.uniform(0.5, 1.5))
        sent[number] = bench.send(number)
    delays = sorted(at - sent[number] for number, at in bench.wait_for(probes))
    return statistics.median(delays), delays[int(len(delays) * 0.95)]


def kill_in_the_middle(bench: Bench) -> tuple[int, int]:
    """Kill one of two busy workers, start another, and count what was lost and what ran twice."""
    numbers = range(20_000, 20_000 + KILL_LOAD)
    for number in numbers:
        bench.send(number, work=0.1)
    while sum(number in numbers for number, _ in bench.done()) < KILL_LOAD // 3:
        time.sleep(0.005)
    bench.kill(bench.workers[0], signal.SIGKILL)
    bench.start_worker()
    return lost_and_repeated(bench.wait_for(numbers, quiet=15), numbers)


def lost_and_repeated(seen: list[tuple[int, float]], numbers: range) -> tuple[int, int]:
    """How many messages were never done, and how many runs were one too many."""
    counts = Counter(number for number, _ in seen)
    return len(numbers) - len(counts), len(seen) - len(counts)


Settings = contextlib.AbstractContextManager[dict[str, Any]]


def filesystem(polling: float) -> Callable[[Path], Settings]:
    """Return kombu's filesystem transport with a polling interval in seconds."""

    def settings(folder: Path) -> Settings:
        for name in ("messages", "control"):
            (folder / name).mkdir()
        messages = str(folder / "messages")
        options = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": str(folder / "control")}
        return contextlib.nullcontext(
            {"broker_url": "filesystem://", "broker_transport_options": options | {"polling_interval": polling}}
        )

    return settings


def sqlite(folder: Path) -> Settings:
    """Use kombu's SQL transport on a SQLite file; `polling_interval` cannot be set, it goes to SQLAlchemy and fails."""
    return contextlib.nullcontext({"broker_url": f"sqlalchemy+sqlite:///{folder / 'messages.sqlite'}"})


def spool(folder: Path) -> Settings:
    """Use our own transport."""
    prepare(folder / "spool")
    return contextlib.nullcontext({"broker_url": spool_url(folder / "spool")})


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a Redis on a Unix socket; give the settings for it."""
    socket = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - fixed words and our own folder
    while not socket.exists():
        time.sleep(0.01)
    try:
        yield {
            "broker_url": f"redis+socket://{socket}",
            "broker_transport_options": {"visibility_timeout": 5, "unacked_restore_interval": 1},
        }
    finally:
        server.terminate()
        server.wait()


@dataclass(frozen=True)
class Candidate:
    """A broker to measure: how to have it in a folder, and a load that takes it seconds, not minutes."""

    name: str
    settings: Callable[[Path], Settings]
    load: int


CANDIDATES = (
    Candidate("redis, Unix socket", redis, 2000),
    Candidate("kombu filesystem, 1 s", filesystem(1.0), 40),
    Candidate("kombu filesystem, 0.05 s", filesystem(0.05), 400),
    Candidate("kombu sqlalchemy, 1 s", sqlite, 40),
    Candidate("our spool, 0.05 s", spool, 400),
)


def run(candidate: Candidate) -> Result:
    """Measure one candidate in a new folder, and leave no process behind."""
    with tempfile.TemporaryDirectory() as name, candidate.settings(Path(name)) as settings:
        bench = Bench(Path(name), settings, candidate.load)
        try:
            return measure(bench)
        finally:
            for worker in bench.workers:
                bench.kill(worker, signal.SIGKILL)
            bench.sender.close()


HEADER = """\
| broker | messages/s | p50 ms | p95 ms | idle CPU % | kill: lost, repeated | load: lost, repeated | left | errors |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Measure every candidate and print the table; Redis comes first and is the reference of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measure only candidates with this in their name")
    only = parser.parse_args().only
    print(HEADER)
    reference: Result | None = None
    for candidate in CANDIDATES:
        if only in candidate.name:
            result = run(candidate)
            reference = reference or result
            print(f"| {candidate.name} | {row(result, reference)} |", flush=True)


def row(result: Result, reference: Result) -> str:
    """Write a result as table cells, speed and delay also as ratios to the reference."""
    cells = [
        f"{result.rate:.0f} ({result.rate / reference.rate:.3f}x)",
        f"{1000 * result.p50:.1f} ({result.p50 / reference.p50:.0f}x)",
        f"{1000 * result.p95:.1f} ({result.p95 / reference.p95:.0f}x)",
        f"{result.idle_cpu:.1f}",
        f"{result.lost}, {result.repeated}",
        f"{result.load_lost}, {result.load_repeated}",
        str(result.left),
        str(result.errors),
    ]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
