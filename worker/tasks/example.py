"""The demo's downstream application: one task that receives news and writes a line about each event.

``renderwatch up`` includes it while it runs on the simulator. A real one lives in another code base; see the README.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from celery.utils.log import get_task_logger

from worker.app import app

# Where the lines go; the demo shows the end of that file.
_FILE: Final = os.environ.get("EXAMPLE_NEWS_FILE")

_log = get_task_logger(__name__)


@app.task(name="example.on_project_event")
def on_project_event(event: Mapping[str, Any]) -> None:
    """Say what happened."""
    before, after = event["credits_before"], event["credits_after"]
    cost = f"{after} credits" if before in (None, after) else f"{before} → {after} credits"
    line = f"{event['type']}  {event['kind']} {event['project_id']}  {cost}"
    _log.info("%s", line)
    if _FILE:
        with Path(_FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
