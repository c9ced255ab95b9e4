"""Retrying rejected requests, unchanged or corrected."""

from typing import Any, Final

from worker.domain.intake import bounded_json
from worker.domain.intake.request import RequestError, Sender
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.intake.rejections import change_reason, delete_rejections, read_rejection
from worker.store.projects.operator_actions import note
from worker.tracking.intake.track import IntakeResult, items_of, track

_PARTS: Final = 3


class RetryError(ValueError):
    """A rejected request that cannot be tried again. The text says why."""


def retry_rejected(
    database: Database, settings: Settings, number: int, correction: str | None, actor: str
) -> IntakeResult | None:
    """Track a rejected request, or a corrected one given as JSON; it is deleted once all of it is accepted.

    Returns None when there is none with this number. Raises RetryError when nothing in it is a request.
    """
    with database.read() as connection:
        row = read_rejection(connection, number)
    if row is None:
        return None
    if correction is None and row["is_cut"]:
        raise RetryError(f"only a part of request {number} was kept")
    taken = track(database, settings, _items(row["request"] if correction is None else correction), Sender(actor))
    with database.write() as connection:
        if taken.rejected:
            change_reason(connection, number, taken.rejected[0].reason)
        else:
            delete_rejections(connection, [number])
            note(connection, "retry rejected request", [None], actor, row["reason"])
    return taken


def _items(text: str) -> list[Any]:
    """Return the requests in a text: one, a list of them, or the body of a Celery message."""
    try:
        value = bounded_json.loads(text)
    except bounded_json.RepeatedKeyError as error:
        raise RetryError(str(error)) from None
    except ValueError:
        raise RetryError("it is not JSON") from None
    if isinstance(value, list) and len(value) == _PARTS and isinstance(value[0], list) and isinstance(value[1], dict):
        value = value[1]
    if not isinstance(value, dict):
        raise RetryError("it is not a request")
    if value.keys() == {"args", "kwargs"} and isinstance(value["kwargs"], dict):
        value = value["kwargs"]
    try:
        return items_of([], value)
    except RequestError as error:
        raise RetryError(str(error)) from None
