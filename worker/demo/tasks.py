"""The demo's downstream application: one task that receives events and writes a line about each.

``renderwatch up`` includes it while it runs on the simulator. A real one is in another code base; see the README.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from celery.utils.log import get_task_logger

from worker.app import app
from worker.domain.log_events import event as log_event

# The file for these lines, of which the demo shows the end.
_FILE: Final = os.environ.get("EXAMPLE_EVENTS_FILE")

_log = get_task_logger(__name__)


@app.task(name="example.on_project_event")
def on_project_event(event: Mapping[str, Any]) -> None:
    """Write a line about the event."""
    before, after = event["credits_before"], event["credits_after"]
    cost = f"{after} credits" if before in (None, after) else f"{before} → {after} credits"
    line = f"{event['type']}  {event['kind']} {event['project_id']}  {cost}"
    received = log_event("example_event_received", kind=event["kind"], project_id=event["project_id"])
    _log.info("%s", line, extra=received)
    if _FILE:
        with Path(_FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
