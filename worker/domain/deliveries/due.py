"""A delivery that was claimed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.intake.trace_headers import Trace


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """One event that is to be sent to one destination now. ``attempts`` counts this one too.

    ``first_attempt_at`` is when the first one began, or when the destination was resumed, if that is later.
    ``confirm_token`` proves a confirmation of it. ``trace`` are the trace headers that the project came with.
    """

    id: int
    event_id: str
    destination: str
    payload: Mapping[str, Any]
    attempts: int
    first_attempt_at: datetime
    confirm_token: str | None = None
    trace: Trace | None = None
