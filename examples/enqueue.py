"""In your service: send the id to Renderwatch right after the create call. No Renderwatch code is imported."""

import os
import sys

from celery import Celery

renderwatch = Celery(broker=os.environ["CELERY_BROKER_URL"])
# So that a Redis that hangs does not hang you. RabbitMQ ignores these options.
renderwatch.conf.broker_transport_options = {"socket_timeout": 5, "socket_connect_timeout": 5}


def track(project_id: str, credits_charged: int) -> None:
    renderwatch.send_task(
        "renderwatch.track",
        kwargs={
            "kind": "video",
            "project_id": project_id,
            "credits_charged": credits_charged,
            "metadata": {"order": 4711},
        },
        queue="renderwatch.intake",
    )


if __name__ == "__main__":
    track(sys.argv[1], int(sys.argv[2]))
