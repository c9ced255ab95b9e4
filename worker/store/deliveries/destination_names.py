"""Finding a destination by what people type or copy: its name, another spelling of a URL, or its shown form."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, select

from worker.domain.deliveries.destination import DestinationError, normal_form
from worker.domain.deliveries.shown_destination import is_shown_form, shown_destination
from worker.store.models import Destination

_NAME: Final[Any] = Destination.__table__.c.name
_MOST_COMPARED: Final = 10_000


def find_destination(connection: Connection, text: str, configured: Iterable[str] = ()) -> str | None:
    """Return the name of the destination that is meant, or None if events have gone to no such destination.

    ``configured`` are destinations of the settings' routes, which need not have had an event yet.
    """
    known = set(configured)
    if is_shown_form(text):
        start = _NAME.startswith(text.partition("…")[0], autoescape=True)
        stored = connection.scalars(select(_NAME).where(start).order_by(_NAME).limit(_MOST_COMPARED))
        return next((name for name in (*stored, *sorted(known)) if shown_destination(name) == text), None)
    names = dict.fromkeys((text, _normal(text)))
    found = connection.scalar(select(_NAME).where(_NAME.in_(names)).limit(1))
    return found or next((name for name in names if name in known), None)


def meant(connection: Connection, text: str | None) -> str | None:
    """Return the destination that a filter means; a text that is none finds nothing."""
    return None if not text else find_destination(connection, text) or text


def _normal(text: str) -> str:
    try:
        return normal_form(text)
    except DestinationError:
        return text
