"""What every way to have a broker has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EmbeddedBroker:
    """A broker that runs now: what Celery needs to use it, and one line that tells the user what was chosen and why.

    ``keep_running`` is to be called from time to time: it starts a server again that has ended, and then returns a line
    to tell the user.
    """

    url: str
    kind: str
    description: str
    keep_running: Callable[[], str | None] = lambda: None
    transport_options: Mapping[str, Any] = field(default_factory=dict)


class CandidateError(Exception):
    """Raised when this machine cannot offer a kind of broker; the message says why, in one line."""


# A way to have a broker that keeps its data in the given private folder. Entering raises CandidateError.
Candidate = Callable[[Path], AbstractContextManager[EmbeddedBroker]]
