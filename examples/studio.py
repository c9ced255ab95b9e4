"""In your application: a Celery task that Renderwatch calls when a project completes or fails."""

import os

from celery import Celery

app = Celery("studio", broker=os.environ["CELERY_BROKER_URL"])
app.conf.task_default_queue = "studio"
app.conf.task_ignore_result = True


@app.task(name="studio.on_render")
def on_render(event: dict) -> None:
    if event.get("example"):  # renderwatch trigger sent it
        print(f"an example of {event['type']} has arrived")
        return
    # event["id"] is the same if an event is delivered twice.
    order = event["metadata"].get("order")
    print(f"{event['type']} {event['project_id']}: {event['credits_after']} credits, order {order}")
