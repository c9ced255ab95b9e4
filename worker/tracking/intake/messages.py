"""Taking in many messages at once: one transaction for all, and one that cannot be stored stops no other."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from worker.domain.batches import batched
from worker.domain.intake.rejected_items import MOST_KEPT_ITEMS, describe_others
from worker.domain.intake.request import NOBODY, Sender
from worker.domain.log_events import event
from worker.settings import Settings
from worker.store.engine import Database, StoreUnavailableError
from worker.store.intake.rejections import store_rejections
from worker.store.intake.store_requests import Stored, store_requests
from worker.traces import span
from worker.tracking.intake.track import MOST_ITEMS, IntakeResult, Rejection, combine, judge, reject, result_of, shown
from worker.tracking.learn_durations import first_plan

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request of a message or, if it is unreadable, its ``fault``.

    ``text`` is what is kept when it is refused; None: the request itself, as JSON. ``sender`` is who sent it.
    """

    request: Any = None
    fault: str | None = None
    text: str | None = None
    sender: Sender = NOBODY


def track_messages(database: Database, settings: Settings, incoming: Sequence[Incoming]) -> IntakeResult:
    """Store what is good and keep what is not, in transactions of at most 10,000 requests.

    When it returns, everything is either tracked or in ``rejected_requests``. Raises StoreUnavailableError; what was
    stored before it may be sent again.

    Of one message's rejected items, the first 100 are kept as they came, and one row counts the others.
    """
    bound = _Bound()
    taken = combine([_take(database, settings, part, bound) for part in batched(incoming, MOST_ITEMS)])
    if bound.others:
        rows = [describe_others(reasons) for reasons in bound.others.values()]
        total = sum(map(len, bound.others.values()))
        database.transact(lambda connection: store_rejections(connection, rows, rejected=total))
    return taken


class _Bound:
    """The rejected items of each message, by the ``id()`` of its sender: how many are kept, and why others are not."""

    def __init__(self) -> None:
        self._kept: Counter[int] = Counter()
        self.others: dict[int, list[str]] = {}

    def split(
        self, incoming: Sequence[Incoming], rejected: Sequence[Rejection]
    ) -> tuple[list[Rejection], list[Rejection]]:
        """Return those to keep, and the others. Changes nothing, because the transaction may be repeated."""
        counts, kept, others = self._kept.copy(), list[Rejection](), list[Rejection]()
        for one in rejected:
            source = incoming[one.position]
            key = id(source.sender)
            # A fault is all that is kept of its message.
            is_kept = source.fault is not None or counts[key] < MOST_KEPT_ITEMS
            counts[key] += source.fault is None
            (kept if is_kept else others).append(one)
        return kept, others

    def note(self, incoming: Sequence[Incoming], kept: Sequence[Rejection], others: Sequence[Rejection]) -> None:
        """Count what was stored."""
        self._kept.update(id(incoming[one.position].sender) for one in kept if incoming[one.position].fault is None)
        for one in others:
            self.others.setdefault(id(incoming[one.position].sender), []).append(one.reason)


def _take(database: Database, settings: Settings, incoming: Sequence[Incoming], bound: _Bound) -> IntakeResult:
    try:
        with ExitStack() as stack:
            return _take_together(database, settings, incoming, _open_spans(stack, incoming), bound)
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  one request must not cost the others
        if len(incoming) > 1:
            half = len(incoming) // 2
            parts = (incoming[:half], incoming[half:])
            return combine([_take(database, settings, part, bound) for part in parts])
        _log.exception("a request cannot be stored", extra=event("request_failed"))
        return _give_up(database, incoming[0], error)


def _open_spans(stack: ExitStack, incoming: Sequence[Incoming]) -> dict[int, Sender]:
    """Open a span for each message that has a trace. Returns the senders with what is to be kept, by their ``id()``."""
    counts = Counter(id(one.sender) for one in incoming)
    senders = {id(one.sender): one.sender for one in incoming}
    return {
        key: replace(
            sender,
            trace=stack.enter_context(span("renderwatch.track", sender.trace, {"renderwatch.projects": counts[key]})),
        )
        for key, sender in senders.items()
    }


def _take_together(
    database: Database, settings: Settings, incoming: Sequence[Incoming], traced: Mapping[int, Sender], bound: _Bound
) -> IntakeResult:
    faults = [Rejection(at, None, one.fault) for at, one in enumerate(incoming) if one.fault is not None]
    sound = [at for at, one in enumerate(incoming) if one.fault is None]
    requests, senders = [incoming[at].request for at in sound], [traced[id(incoming[at].sender)] for at in sound]
    good, wrong, positions = judge(settings, requests, senders)
    wrong = [Rejection(sound[one.position], one.request, one.reason) for one in wrong]

    plan = first_plan(database, settings, good)

    def store(connection: Any) -> tuple[Stored, list[Rejection], list[Rejection]]:  # noqa: ANN401  a connection of the store's
        stored = store_requests(connection, good, with_key=settings.accounts.keys(), plan=plan) if good else Stored()
        refused = [
            Rejection(at := sound[positions[id(each.request)]], incoming[at].request, each.reason, each.code)
            for each in stored.refused
        ]
        rejected = [*faults, *wrong, *refused]
        kept, others = bound.split(incoming, rejected)
        store_rejections(connection, [(_kept(incoming[one.position]), one.reason) for one in kept])
        return stored, kept, others

    stored, kept, others = database.transact(store)
    bound.note(incoming, kept, others)
    return result_of(stored, [*kept, *others])


def _kept(one: Incoming) -> str:
    return shown(one.request) if one.text is None else one.text


def _give_up(database: Database, one: Incoming, error: Exception) -> IntakeResult:
    """Keep a request that failed because of a bug."""
    reason = f"internal error: {type(error).__name__}; see the worker's log"
    reject(database, [(_kept(one), reason)])
    return IntakeResult(rejected=(Rejection(0, one.request, reason),))
