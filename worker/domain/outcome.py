"""What one answer changes: the project after it, and the rows that tell of the change."""

from dataclasses import dataclass

from worker.domain.events import Event
from worker.domain.ledger import Adjustment
from worker.domain.project import Project


@dataclass(frozen=True, slots=True)
class Transition:
    """An observed change of status; ``previous`` is None at first sight."""

    previous: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one check. ``next_check_in`` is in seconds; None means that nothing more is to be checked."""

    project: Project
    next_check_in: float | None
    transition: Transition | None = None
    adjustment: Adjustment | None = None
    events: tuple[Event, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is more to store than that the project was looked at."""
        return bool(self.transition or self.adjustment or self.events)
