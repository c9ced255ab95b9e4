"""A small Celery application and its processes, to see whether a broker really carries messages."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from celery import Celery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.embedded.broker import EmbeddedBroker

HERE = Path(__file__).parent
T = TypeVar("T")


def make_app(url: str) -> Celery:
    app = Celery("probe", broker=url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        beat_schedule={"tick": {"task": "probe.note", "schedule": 0.2, "args": ["tick"], "options": {"expires": 30}}},
    )
    app.task(name="probe.note")(note)
    return app


def note(text: str) -> None:
    with Path(os.environ["PROBE_NOTES"]).open("a") as notes:
        notes.write(f"{text}\n")


if "PROBE_URL" in os.environ:  # in a worker or beat process
    app = make_app(os.environ["PROBE_URL"])


def app_for(broker: EmbeddedBroker) -> Celery:
    return make_app(broker.url)


@contextlib.contextmanager
def celery_process(broker: EmbeddedBroker, folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `celery worker` or `celery beat` on the broker; at the end it must stop by itself when asked."""
    environment = os.environ | {
        "PROBE_URL": broker.url,
        "PROBE_NOTES": str(folder / "notes.txt"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)]),
    }
    command = [sys.executable, "-m", "celery", "-A", "embedded_probe", *words]
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def notes(folder: Path) -> list[str]:
    path = folder / "notes.txt"
    return path.read_text().split() if path.exists() else []


def wait_until(fact: Callable[[], T], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
