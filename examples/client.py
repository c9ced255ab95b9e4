"""In your service: create a render with the vendor's SDK, track it in one line, and wait for it."""

import os
import sys

from magic_hour import Client

from worker.client import Renderwatch, WaitTimeoutError

magic_hour = Client(token=os.environ["MAGIC_HOUR_API_KEY"], base_url=os.environ.get("MAGIC_HOUR_BASE_URL"))


def render(order: int) -> int:
    """Return the process's exit code: 0 if the render is complete."""
    with Renderwatch() as renderwatch:  # RENDERWATCH_URL, RENDERWATCH_TOKEN
        created = magic_hour.v1.text_to_video.create(end_seconds=5, style={"prompt": "a sunset over the sea"})
        renderwatch.track(created, metadata={"order": order})
        try:
            project = renderwatch.wait("video", created.id, timeout=900)
        except WaitTimeoutError as late:
            print(late)  # it is still tracked, and your Celery task or webhook will be called
            return 2
        print(project.status, project.credits_charged, project.error)
        for download in project.downloads:
            print(download.url)
        return 0 if project.status == "complete" else 1


if __name__ == "__main__":
    sys.exit(render(int(sys.argv[1])))
