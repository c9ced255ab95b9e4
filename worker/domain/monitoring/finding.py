"""One thing that is wrong, as health reports it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from worker.formatting import counted

Severity = Literal["warning", "critical"]

START_BEAT: Final = "renderwatch beat"
START_WORKER: Final = "renderwatch worker"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: since when, what it costs while it lasts, and the command that fixes it.

    ``code`` is for programs and does not change; ``subject`` is the account concerned, if any. ``count`` is how many
    projects, deliveries or requests it concerns (at most 10,000), if it concerns some.
    """

    code: str
    severity: Severity
    summary: str
    cost: str
    fix: str
    since: datetime | None = None
    subject: str | None = None
    count: int | None = None


def counted_waiting(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun and verb: "1 check waits", "2 checks wait"."""
    return f"{counted(count, one, many)} {'waits' if count == 1 else 'wait'}"
