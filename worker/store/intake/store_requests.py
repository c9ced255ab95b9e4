"""Storing tracking requests, each id once: new projects are added, known ones get their missing parts."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection

from worker.domain.batches import batched
from worker.domain.intake.request import TrackRequest
from worker.domain.metrics import Totals, labels
from worker.domain.projects.ledger import adjust
from worker.domain.scheduling.schedule import Plan
from worker.store.bulk import insert_new_rows, insert_rows, rows_of
from worker.store.engine import clock
from worker.store.intake.accounts import MOST_ACCOUNTS, accounts_beyond_bound, accounts_without_key
from worker.store.intake.fill_missing import (
    GIVEN_UP,
    PARTS,
    fill_missing,
    first_entry,
    ignored_parts,
    missing_parts,
    reopen,
)
from worker.store.intake.hints import take_kept
from worker.store.models import CreditAdjustment, TrackedProject
from worker.store.monitoring.totals import add_totals
from worker.store.scheduling.first_checks import Gaps, first_gaps, group_of
from worker.store.scheduling.rate_limits import ensure_accounts

_TOO_MANY: Final = (
    f"there are {MOST_ACCOUNTS} accounts already and this name is new; correct the account, or let an operator add its"
    " key to MAGIC_HOUR_API_KEYS first"
)
_PART: Final = 500
_KNOWN: Final = ("id", "kind", "project_id", "account", "close_reason", "expected_credits", *PARTS)

Key: TypeAlias = tuple[str, str]


class Refused(NamedTuple):
    """A request that was not stored. ``code`` is ``tracked_elsewhere`` (another account's) or ``too_many_accounts``."""

    request: TrackRequest
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of storing requests: the numbers of new, known and reopened projects, and the refused requests.

    ``added`` has the parts added to known projects, ``ignored`` those that differ from what is stored. ``without_key``
    are the accounts that no worker is known to have a key for.
    """

    new: int = 0
    known: int = 0
    reopened: int = 0
    refused: tuple[Refused, ...] = ()
    added: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    ignored: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    without_key: tuple[str, ...] = ()


def store_requests(
    connection: Connection,
    requests: Sequence[TrackRequest],
    *,
    with_key: Collection[str] | None = None,
    plan: Plan = Plan(),  # noqa: B008  never changed
) -> Stored:
    """Store requests, each id once, in the caller's transaction.

    ``plan`` says when projects whose type is named are checked first; all others are due at once. The number of
    accounts that are not in ``with_key``, those that this process has a key for, is limited, because a sender may name
    any. Without it, it is not asked who has keys.
    """
    refused_names = accounts_beyond_bound(connection, {request.account for request in requests} - set(with_key or ()))
    too_many = tuple(
        Refused(each, _TOO_MANY, "too_many_accounts") for each in requests if each.account in refused_names
    )
    requests = [each for each in requests if each.account not in refused_names]
    unique = _unique(requests)
    now = clock(connection)
    names = {request.account for request in requests}
    without_key = () if with_key is None else accounts_without_key(connection, names, with_key, now)
    ensure_accounts(connection, (request.account for request in unique.values()), now)
    gaps = first_gaps(connection, unique.values(), plan)
    new = 0
    found: dict[Key, Any] = {}
    totals: Totals = Counter()
    # In the order of their ids, like every other transaction, and new ones first, which prevents deadlocks.
    for part in batched(sorted(unique.values(), key=_key), _PART):
        known, inserted = _known_and_new(connection, part, gaps, now, totals)
        new += len(inserted)
        found |= known
    mine = {key: row for key, row in found.items() if row.account == unique[key].account}
    given_up = sorted(row.id for row in mine.values() if row.close_reason in GIVEN_UP)
    added = _fill(connection, unique, mine, now, totals)
    reopened = sum(reopen(connection, part, now) for part in batched(given_up, _PART))
    owners = {key: request.account for key, request in unique.items()}
    refused = _conflicts(requests, owners | {key: row.account for key, row in found.items()})
    ignored = {key: parts for key, row in mine.items() if (parts := ignored_parts(row, unique[key]))}
    add_totals(connection, totals)
    rest = len(requests) - new - reopened - len(refused)
    return Stored(new, rest, reopened, refused + too_many, added, ignored, without_key)


def _unique(requests: Sequence[TrackRequest]) -> dict[Key, TrackRequest]:
    """Return each id once: the first request, with missing parts from later ones for the same account."""
    unique: dict[Key, TrackRequest] = {}
    for request in requests:
        key = _key(request)
        first = unique.setdefault(key, request)
        if first is not request and first.account == request.account and (parts := missing_parts(first, request)):
            unique[key] = replace(first, **{part: getattr(request, part) for part in parts})
    return unique


def _fill(
    connection: Connection,
    unique: Mapping[Key, TrackRequest],
    known: Mapping[Key, Any],
    now: datetime,
    totals: Totals,
) -> dict[Key, tuple[str, ...]]:
    """Add missing parts to known projects. Those to reopen are locked too, so that all locks are taken in one order."""
    wanted = {
        row.id: unique[key]
        for key, row in known.items()
        if row.close_reason in GIVEN_UP or missing_parts(row, unique[key])
    }
    added, entries = fill_missing(connection, wanted, now)
    if entries:
        insert_rows(connection, CreditAdjustment, entries)
    _count_entries(totals, entries)
    return {_key(wanted[id_]): parts for id_, parts in added.items()}


def _key(request: TrackRequest) -> Key:
    return request.kind, request.project_id


def _conflicts(requests: Sequence[TrackRequest], owners: Mapping[Key, str]) -> tuple[Refused, ...]:
    return tuple(
        Refused(
            request,
            f"{request.project_id} is already tracked for account {owners[_key(request)]!r}",
            "tracked_elsewhere",
        )
        for request in requests
        if owners[_key(request)] != request.account
    )


def _known_and_new(
    connection: Connection, part: Sequence[TrackRequest], gaps: Gaps, now: datetime, totals: Totals
) -> tuple[dict[Key, Any], dict[Key, int]]:
    """Look up known projects, insert the rest, and look up those that another transaction inserted meanwhile."""
    known = _known(connection, part)
    missing = [request for request in part if _key(request) not in known]
    inserted = _insert(connection, missing, gaps, now)
    entries = _first_entries(connection, missing, inserted, now)
    totals.update(("projects_tracked", labels(kind)) for kind, _ in inserted)
    _count_entries(totals, entries)
    return known | _known(connection, [request for request in missing if _key(request) not in inserted]), inserted


def _count_entries(totals: Totals, entries: Sequence[Mapping[str, Any]]) -> None:
    for entry in entries:
        totals["credits", labels(entry["reason"], "charged")] += entry["amount"]


def _insert(connection: Connection, part: Sequence[TrackRequest], gaps: Gaps, now: datetime) -> dict[Key, int]:
    if not part:
        return {}
    kept = take_kept(connection, [(*_key(request), request.account) for request in part], now)
    rows = [_new_row(request, gaps, now, hinted=(*_key(request), request.account) in kept) for request in part]
    inserted = insert_new_rows(connection, TrackedProject, rows, ("id", "kind", "project_id"))
    return {(row.kind, row.project_id): row.id for row in inserted}


def _new_row(request: TrackRequest, gaps: Gaps, now: datetime, *, hinted: bool) -> dict[str, Any]:
    gap = 0.0 if hinted else gaps.get(group_of(request), 0.0)
    return {
        "kind": request.kind,
        "project_id": request.project_id,
        "account": request.account,
        "credits_charged": request.credits_charged,
        "adjustment_count": 0 if request.credits_charged is None else 1,
        "metadata": dict(request.metadata),
        "notify": dict(request.notify),
        "expected_credits": request.credits_charged,
        "tracked_by": request.tracked_by,
        "trace": dict(request.trace) or None,
        "tracked_at": now,
        "type": request.type,
        "opened_at": now,
        "next_check_at": now + timedelta(seconds=gap),
        "hinted_at": now if hinted else None,
    }


def _first_entries(
    connection: Connection, part: Sequence[TrackRequest], inserted: dict[Key, int], now: datetime
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for request in part:
        id_ = inserted.get(_key(request))
        if id_ is None or request.credits_charged is None:
            continue
        entry = adjust(None, request.credits_charged, kind=request.kind, status=None, closed=False)
        if entry:
            rows.append(first_entry(id_, entry, now))
    if rows:
        insert_rows(connection, CreditAdjustment, rows)
    return rows


def _known(connection: Connection, part: Sequence[TrackRequest]) -> dict[Key, Any]:
    if not part:
        return {}
    keys = [{"kind": request.kind, "project_id": request.project_id} for request in part]
    rows = rows_of(connection, TrackedProject, keys, _KNOWN)
    return {(row.kind, row.project_id): row for row in rows}
