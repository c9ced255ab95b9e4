"""In your application: bill a customer for what a render cost in the end, and correct it after a late refund."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

app = Celery("billing", broker=os.environ["CELERY_BROKER_URL"])
app.conf.task_default_queue = "billing"
app.conf.task_ignore_result = True
app.conf.task_acks_late = True


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(os.environ["BILLING_DATABASE"], timeout=30, isolation_level=None)
    try:
        db.execute(
            "CREATE TABLE IF NOT EXISTS charges (project TEXT, sequence INTEGER, customer TEXT, credits INTEGER,"
            " PRIMARY KEY (project, sequence))"
        )
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()


# The route: {"project.settled": ["celery:billing.on_settled?queue=billing"]}
@app.task(name="billing.on_settled", autoretry_for=(sqlite3.Error,), retry_backoff=True, max_retries=10)
def on_settled(event: dict) -> None:
    if event.get("example"):
        return
    project = f"{event['kind']}/{event['project_id']}"
    with transaction() as db:
        last, billed = db.execute(
            "SELECT max(sequence), coalesce(sum(credits), 0) FROM charges WHERE project = ?", [project]
        ).fetchone()
        if last is not None and event["sequence"] <= last:
            return  # delivered before, or overtaken by a later settlement
        # The first time this is the whole price. A refund after that settles the project once more, and this is the
        # difference: negative, a credit note. Never change a charge; the sum of a project's charges is its price.
        difference = event["credits_after"] - billed
        db.execute(
            "INSERT INTO charges VALUES (?, ?, ?, ?)",
            [project, event["sequence"], event["metadata"].get("customer"), difference],
        )
