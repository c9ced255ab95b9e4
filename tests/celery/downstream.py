"""Another team's application: it knows the broker and nothing of Renderwatch's code."""

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery, Task

QUEUE = "orders"

app = Celery("orders", broker=os.environ["CELERY_BROKER_URL"])
app.conf.broker_transport_options = json.loads(os.environ["RENDERWATCH_BROKER_TRANSPORT_OPTIONS"])
app.conf.broker_connection_retry_on_startup = True
app.conf.task_default_queue = QUEUE
app.conf.task_ignore_result = True


@app.task(name="orders.rendered", bind=True)
def rendered(self: "Task[..., None]", event: dict[str, Any]) -> None:
    """Called by a route in Renderwatch's settings."""
    _keep("rendered", self.request, event)


@app.task(name="orders.asked_for", bind=True)
def asked_for(self: "Task[..., None]", event: dict[str, Any]) -> None:
    """Called because the request to track a project said so."""
    _keep("asked_for", self.request, event)


def _keep(task: str, request: Any, event: dict[str, Any]) -> None:  # noqa: ANN401  Celery's
    # One write of one short line appends as a whole, whichever of the processes does it.
    trace = {"traceparent": request.get("traceparent"), "nested": request.headers}
    line = json.dumps({"task": task, "task_id": request.id, "event": event, "trace": trace}) + "\n"
    with Path(os.environ["ORDERS_FILE"]).open("a", encoding="utf-8") as file:
        file.write(line)
