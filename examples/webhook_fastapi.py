"""A FastAPI application that receives webhooks: uvicorn webhook_fastapi:app."""

import os
import sqlite3

from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])  # the one in RENDERWATCH_WEBHOOK_SECRETS
database = sqlite3.connect("orders.db")
database.execute("CREATE TABLE IF NOT EXISTS received (event_id TEXT PRIMARY KEY, project_id TEXT, credits INTEGER)")


@app.post("/renders")
async def renders(request: Request) -> Response:
    try:
        event = webhook.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):  # ValueError: headers or a body that cannot be read
        return Response(status_code=401)
    if event.get("example"):  # renderwatch trigger sent it
        print(f"an example of {event['type']} has arrived")
        return Response(status_code=204)
    with database:  # one transaction for the event's id and for what you do about the event
        values = event["id"], event["project_id"], event["credits_after"]
        is_new = database.execute("INSERT OR IGNORE INTO received VALUES (?, ?, ?)", values).rowcount
        if is_new:
            print(event["type"], event["project_id"])
    return Response(status_code=204)
