"""Which deliveries are meant: by what they carry, where they go, and how they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, select

from worker.domain.deliveries.states import DeliveryState
from worker.domain.projects.status import Kind
from worker.store.deliveries.destination_names import meant
from worker.store.deliveries.destinations import IS_OPEN
from worker.store.models import Delivery, Event, TrackedProject
from worker.store.monitoring.definitions import is_waiting

_TABLE: Final[Any] = Delivery.__table__
Several = Literal["waiting", "open"]
# In subqueries, because other tables that are joined have a column named state too.
_SEVERAL: Final[Mapping[Several, ColumnElement[bool]]] = {
    "waiting": _TABLE.c.id.in_(select(_TABLE.c.id).where(is_waiting()).correlate(None)),
    "open": _TABLE.c.id.in_(select(_TABLE.c.id).where(IS_OPEN).correlate(None)),
}


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant: those for which all that is given holds. ``since`` and ``until`` are of the event.

    ``several`` means several states: "waiting" to be sent, for the first time or again, or "open", which are also those
    that are not confirmed yet.
    """

    event_id: str | None = None
    kind: Kind | None = None
    project_id: str | None = None
    destination: str | None = None
    event_type: str | None = None
    state: DeliveryState | None = None
    since: datetime | None = None
    until: datetime | None = None
    several: Several | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What holds for a delivery that is meant."""
        equal = {
            _TABLE.c.event_id: self.event_id,
            TrackedProject.kind: self.kind,
            TrackedProject.project_id: self.project_id,
            _TABLE.c.destination: self.destination,
            Event.type: self.event_type,
            _TABLE.c.state: self.state,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.since:
            found.append(_TABLE.c.created_at >= self.since)
        if self.until:
            found.append(_TABLE.c.created_at < self.until)
        if self.several:
            found.append(_SEVERAL[self.several])
        return found

    @property
    def has_index(self) -> bool:
        """Whether an index finds the deliveries, however many others there are."""
        return (
            self.state == "dead" or self.several is not None or self.event_id is not None or self.project_id is not None
        )


EVERYTHING: Final = DeliveryFilter()


def resolve(connection: Connection, wanted: DeliveryFilter) -> DeliveryFilter:
    """Return the filter with the name of the destination that it means; see find_destination."""
    return replace(wanted, destination=meant(connection, wanted.destination))
