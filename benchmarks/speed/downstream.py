"""Another team's worker: its tasks note when they were started, in the file NOTES, by the machine's monotonic clock.

celery -A benchmarks.speed.downstream worker -Q downstream
"""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

from celery import Celery

QUEUE: Final = "downstream"
app = Celery(broker=os.environ.get("CELERY_BROKER_URL"))
app.conf.task_ignore_result = True
app.conf.task_default_queue = QUEUE


@app.task(name="downstream.news")
def news(event: dict[str, Any]) -> None:
    """Note that a project's news came."""
    _note(event["project_id"])


@app.task(name="downstream.plain")
def plain(name: str) -> None:
    """Note that a message came."""
    _note(name)


def _note(name: str) -> None:
    now = time.monotonic()
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps([name, now]) + "\n")
