"""Taking projects in: what is good is stored, what is wrong is said item by item."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.domain.request import RequestError, TrackRequest, parse_request
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.intake import Stored, store_rejections, store_requests

MOST_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that was not taken: its place in the request (0 for the first), what it was, and why.

    ``conflicts`` if nothing is wrong with it but that the project is tracked for another account.
    """

    position: int
    request: object
    reason: str
    conflicts: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a tracking request."""

    new: int
    known: int
    reopened: int
    rejected: tuple[Rejection, ...]


def track(database: Database, settings: Settings, items: Sequence[object]) -> Taken:
    """Store every good item in one transaction; say of each other one what is wrong with it.

    When it returns, the good ones are accepted: they will be followed to a closed state, whatever happens.
    """
    if len(items) > MOST_ITEMS:
        reason = f"these are {len(items)} projects; send at most {MOST_ITEMS} at once"
        return Taken(0, 0, 0, (Rejection(0, {"projects": len(items)}, reason),))
    good: list[TrackRequest] = []
    rejected: list[Rejection] = []
    positions: dict[int, int] = {}
    for position, item in enumerate(items):
        try:
            request = parse_request(item, settings.accounts.keys(), settings.notify_allow)
        except RequestError as error:
            rejected.append(Rejection(position, item, str(error)))
        else:
            good.append(request)
            positions[id(request)] = position
    stored = Stored()
    if good:
        stored = database.transact(lambda connection: store_requests(connection, good))
    for request, reason in stored.refused:
        position = positions[id(request)]
        rejected.append(Rejection(position, items[position], reason, conflicts=True))
    return Taken(stored.new, stored.known, stored.reopened, tuple(sorted(rejected, key=lambda one: one.position)))


def track_message(database: Database, settings: Settings, args: Sequence[object], kwargs: dict[str, Any]) -> Taken:
    """Take a message of another service: one project's fields, or ``projects`` with a list of them.

    What is wrong is kept in ``rejected_requests``, because nobody waits for an answer.
    """
    projects = kwargs.get("projects")
    if args or (projects is not None and (len(kwargs) > 1 or not isinstance(projects, list))):
        reason = "send keyword arguments: either one project's fields, or projects with a list of them"
        taken = Taken(0, 0, 0, (Rejection(0, {"args": list(args), "kwargs": kwargs}, reason),))
    else:
        taken = track(database, settings, [kwargs] if projects is None else projects)
    reject(database, [(_shown(rejection.request), rejection.reason) for rejection in taken.rejected])
    return taken


def reject(database: Database, rejections: Sequence[tuple[str, str]]) -> None:
    """Keep requests that were refused, as text, with the reason, for an operator to see."""
    if rejections:
        with database.write() as connection:
            store_rejections(connection, rejections)


def _shown(request: object) -> str:
    return json.dumps(request, default=str, ensure_ascii=False)
