"""The result of applying a check: the changed project, and the records of the change."""

from dataclasses import dataclass

from worker.domain.projects.events import Event
from worker.domain.projects.ledger import Adjustment
from worker.domain.projects.project import Project


@dataclass(frozen=True, slots=True)
class Transition:
    """An observed change of status; ``previous`` is None for the first one."""

    previous: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one check. ``next_check_in`` is in seconds; None means that no further check is needed."""

    project: Project
    next_check_in: float | None
    transition: Transition | None = None
    adjustment: Adjustment | None = None
    events: tuple[Event, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything changed besides the time of the last check."""
        return bool(self.transition or self.adjustment or self.events)
