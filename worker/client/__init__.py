"""A client of the HTTP API, for programs that track projects and receive events.

It needs requests, pydantic and standardwebhooks, nothing else of ours, and starts neither Celery nor SQLAlchemy::

    from worker.client import Renderwatch

    with Renderwatch("http://127.0.0.1:8321", token) as renderwatch:
        created = magic_hour.v1.text_to_video.create(...)
        renderwatch.track(created, metadata={"order": 4711})
        project = renderwatch.wait("video", created.id, timeout=900)
"""

from worker.client.async_client import AsyncRenderwatch
from worker.client.base_errors import InvalidInputError, RenderwatchError
from worker.client.client import Renderwatch
from worker.client.errors import (
    ApiError,
    InvalidSignatureError,
    NotTrackedError,
    RejectedError,
    TokenError,
    UnavailableError,
    WaitTimeoutError,
)
from worker.client.events import (
    CheckFailure,
    Download,
    Event,
    EventWithReason,
    ProjectError,
    SettledEvent,
    StalledEvent,
    parse_event,
)
from worker.client.projects import Project, Rejection, Tracked, TrackedMany
from worker.client.webhooks import verify_event

__all__ = [
    "ApiError",
    "AsyncRenderwatch",
    "CheckFailure",
    "Download",
    "Event",
    "EventWithReason",
    "InvalidInputError",
    "InvalidSignatureError",
    "NotTrackedError",
    "Project",
    "ProjectError",
    "RejectedError",
    "Rejection",
    "Renderwatch",
    "RenderwatchError",
    "SettledEvent",
    "StalledEvent",
    "TokenError",
    "Tracked",
    "TrackedMany",
    "UnavailableError",
    "WaitTimeoutError",
    "parse_event",
    "verify_event",
]
