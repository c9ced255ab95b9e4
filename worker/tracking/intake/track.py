"""Intake: valid tracking requests are stored, invalid ones are rejected with a reason each."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from typing import Any, Final

from worker.domain.batches import batched
from worker.domain.intake.identifiers import key_variable
from worker.domain.intake.rejected_items import bound_rejections
from worker.domain.intake.request import NOBODY, RequestError, Sender, TrackRequest, parse_request
from worker.settings import Settings
from worker.store.engine import Database
from worker.store.intake.rejections import store_rejections
from worker.store.intake.store_requests import Stored, store_requests
from worker.traces import span
from worker.tracking.learn_durations import first_plan

# Items in one transaction. HTTP accepts no more in one call; longer lists from the CLI and Celery are split.
MOST_ITEMS: Final = 10_000
_LONGEST_SENDER: Final = 200


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected item: its position in the request (0 for the first), the item, and the reason.

    ``code`` is ``bad_request``, or why the store refused a valid one: ``tracked_elsewhere`` or ``too_many_accounts``.
    """

    position: int
    request: object
    reason: str
    code: str = "bad_request"


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """The result of a tracking request.

    ``added`` are the parts that known projects lacked and now have, ``ignored`` those that differ from what is stored
    and stays, both by kind and id. ``without_key`` are the accounts that no worker is known to have a key for: their
    projects wait.
    """

    new: int = 0
    known: int = 0
    reopened: int = 0
    rejected: tuple[Rejection, ...] = ()
    added: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    ignored: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    without_key: tuple[str, ...] = ()


def track(database: Database, settings: Settings, items: Sequence[object], sender: Sender = NOBODY) -> IntakeResult:
    """Store every good item, at most 10,000 in one transaction; report what is wrong with the others.

    When it returns, the good ones are accepted: they will be followed to a closed state, whatever happens.
    """
    parts = batched(items, MOST_ITEMS)
    with span("renderwatch.track", sender.trace, {"renderwatch.projects": len(items)}) as trace:
        kept = replace(sender, trace=trace)
        return combine(
            [_track_part(database, settings, part, MOST_ITEMS * number, kept) for number, part in enumerate(parts)]
        )


def combine(parts: Sequence[IntakeResult]) -> IntakeResult:
    """Combine the results of several requests."""
    if len(parts) == 1:
        return parts[0]
    return IntakeResult(
        new=sum(part.new for part in parts),
        known=sum(part.known for part in parts),
        reopened=sum(part.reopened for part in parts),
        rejected=tuple(rejection for part in parts for rejection in part.rejected),
        added={key: names for part in parts for key, names in part.added.items()},
        ignored={key: names for part in parts for key, names in part.ignored.items()},
        without_key=tuple(sorted({account for part in parts for account in part.without_key})),
    )


def _track_part(
    database: Database, settings: Settings, items: Sequence[object], offset: int, sender: Sender
) -> IntakeResult:
    good, rejected, positions = judge(settings, items, repeat(sender), offset)
    plan = first_plan(database, settings, good)
    store = partial(store_requests, requests=good, with_key=settings.accounts.keys(), plan=plan)
    stored = database.transact(store) if good else Stored()
    for refused in stored.refused:
        position = positions[id(refused.request)]
        rejected.append(Rejection(position, items[position - offset], refused.reason, refused.code))
    return result_of(stored, rejected)


def judge(
    settings: Settings, items: Sequence[object], senders: Iterable[Sender], offset: int = 0
) -> tuple[list[TrackRequest], list[Rejection], dict[int, int]]:
    """Separate valid items from invalid ones. Returns both, and each valid one's position by its request's ``id()``.

    ``senders`` are who sent each item; ``offset`` is the position of the first one.
    """
    good: list[TrackRequest] = []
    rejected: list[Rejection] = []
    positions: dict[int, int] = {}
    # Not strict: one sender may be repeated for all of them.
    for position, (item, sender) in enumerate(zip(items, senders, strict=False), offset):
        try:
            request = parse_request(item, settings.notify_allow, sender)
        except RequestError as error:
            rejected.append(Rejection(position, item, str(error)))
        else:
            good.append(request)
            positions[id(request)] = position
    return good, rejected, positions


def result_of(stored: Stored, rejected: Sequence[Rejection]) -> IntakeResult:
    """Return the result of stored and rejected requests."""
    return IntakeResult(
        new=stored.new,
        known=stored.known,
        reopened=stored.reopened,
        rejected=tuple(sorted(rejected, key=lambda one: one.position)),
        added=stored.added,
        ignored=stored.ignored,
        without_key=stored.without_key,
    )


def track_message(
    database: Database, settings: Settings, args: Sequence[object], kwargs: dict[str, Any], origin: object = None
) -> IntakeResult:
    """Take a message of another service: one project's fields, or ``projects`` with a list of them.

    ``origin`` is the message's header of that name.
    What is wrong is kept in ``rejected_requests``, because nobody waits for an answer.
    """
    try:
        taken = track(database, settings, items_of(args, kwargs), Sender(sender_of(origin)))
    except RequestError as error:
        taken = IntakeResult(rejected=(Rejection(0, {"args": list(args), "kwargs": kwargs}, str(error)),))
    reject(database, [(shown(rejection.request), rejection.reason) for rejection in taken.rejected])
    return taken


def sender_of(origin: object) -> str | None:
    """Return the host that a Celery client names in its messages (``gen4711@host``): what it says, unverified."""
    if not isinstance(origin, str):
        return None
    host = origin[-_LONGEST_SENDER:].rpartition("@")[2]
    return host if host.isascii() and host.isprintable() and host else None


_EITHER: Final = "either one project's fields, or projects with a list of them"


def items_of(args: Sequence[object], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return the requests that a message holds. Raises RequestError when its arguments are none of ours."""
    if args:
        raise RequestError(f"positional arguments are not accepted; send keyword arguments: {_EITHER}")
    if "projects" not in kwargs:
        return [kwargs]
    projects, others = kwargs["projects"], [name for name in kwargs if name != "projects"]
    if projects is None and others:  # a caller that names every parameter
        return [{name: kwargs[name] for name in others}]
    if others:
        raise RequestError(f"projects cannot be combined with {', '.join(others)[:100]}; send {_EITHER}")
    if not isinstance(projects, list):
        kind = "null" if projects is None else type(projects).__name__
        raise RequestError(f"projects must be a list, not {kind}; send {_EITHER}")
    return projects


def reject(database: Database, rejections: Sequence[tuple[str, str]]) -> None:
    """Keep a message's rejected requests, as text, with the reason, for an operator to see."""
    if rejections:
        rows = bound_rejections(rejections)
        database.transact(lambda connection: store_rejections(connection, rows, rejected=len(rejections)))


def shown(request: object) -> str:
    """Return a request as it is kept: as JSON, or else a placeholder with its type."""
    try:
        return json.dumps(request, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"{type(request).__name__} that cannot be written as JSON"


def missing_key(account: str) -> str:
    """Say what an account without an API key waits for."""
    waits = f"its projects are kept, and wait for a worker that has it in {key_variable(account)}"
    return f"account {account!r} has no API key here: {waits}"
