"""In your application: a Celery task that takes each event once, with its own database to know what it has taken."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

app = Celery("shop", broker=os.environ["CELERY_BROKER_URL"])
app.conf.task_default_queue = "shop"
app.conf.task_ignore_result = True
app.conf.task_acks_late = True  # a worker that dies gives the message back


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(os.environ["SHOP_DATABASE"], timeout=30, isolation_level=None)
    try:
        db.execute("CREATE TABLE IF NOT EXISTS taken (event_id TEXT PRIMARY KEY)")
        db.execute(
            "CREATE TABLE IF NOT EXISTS renders (project TEXT PRIMARY KEY, sequence INT, status TEXT, file TEXT)"
        )
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # undoes what was not committed


# Whatever fails is tried again. An event that always fails stays with us, in our log, and holds up no other.
@app.task(name="shop.on_event", autoretry_for=(Exception,), retry_backoff=True, max_retries=10)
def on_event(event: dict) -> None:
    if event.get("example"):
        print(f"an example of {event['type']} has arrived")  # renderwatch trigger sent it
        return
    with transaction() as db:
        # In one transaction with what the event does: either both are stored, or neither.
        if db.execute("INSERT OR IGNORE INTO taken VALUES (?)", [event["id"]]).rowcount == 0:
            return  # it was delivered before
        take(db, event)


def take(db: sqlite3.Connection, event: dict) -> None:
    file = event["downloads"][0]["url"] if event["downloads"] else None
    db.execute(
        # Events may overtake each other: a later one of the project stays.
        "INSERT INTO renders VALUES (?, ?, ?, ?) ON CONFLICT (project) DO UPDATE SET"
        " sequence = excluded.sequence, status = excluded.status, file = excluded.file"
        " WHERE excluded.sequence > renders.sequence",
        [f"{event['kind']}/{event['project_id']}", event["sequence"], event["status"], file],
    )
