"""Another team's stock Celery application. It knows its broker, and does not know about confirmations."""

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery

app = Celery("ledger", broker=os.environ["CELERY_BROKER_URL"], set_as_current=False)
app.conf.broker_transport_options = json.loads(os.environ["RENDERWATCH_BROKER_TRANSPORT_OPTIONS"])
app.conf.broker_connection_retry_on_startup = True
app.conf.task_default_queue = "ledger"
app.conf.worker_prefetch_multiplier = 10


@app.task(name="ledger.book")
def book(event: dict[str, Any]) -> str:
    """Book an event, unless the file that makes it fail is there."""
    if Path(os.environ["LEDGER_FAILS"]).exists():
        raise ValueError("the ledger is closed")
    with Path(os.environ["LEDGER_FILE"]).open("a", encoding="utf-8") as file:
        file.write(event["id"] + "\n")
    return "a result that stays here"
