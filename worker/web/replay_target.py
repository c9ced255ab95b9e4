"""Where a replay over HTTP may send events: who may replay may not thereby call any task or any host."""

from typing import Any, Final

from worker.domain.deliveries.destination import (
    DestinationError,
    is_allowed,
    normal_form,
    routed_destinations,
)
from worker.settings import Settings
from worker.store.deliveries.destination_names import find_destination

NOT_PERMITTED: Final = (
    "events can be sent again to a destination that GET /v1/destinations lists, or that RENDERWATCH_NOTIFY_ALLOW"
    " allows; to any other one: renderwatch deliveries replay --to"
)


def permitted_target(connection: Any, text: str | None, settings: Settings) -> str | None:  # noqa: ANN401  only the store knows the type
    """Return the name of the destination that is meant, or None if it is unknown and not allowed."""
    if not text:
        return None
    if name := find_destination(connection, text, routed_destinations(settings.routes)):
        return name
    try:
        name = normal_form(text)
    except DestinationError:
        return None
    return name if is_allowed(name, settings.notify_allow) else None
